//! Calls STS with the AWS SDK for Rust, once for each line it reads.

use std::io::BufRead;

use aws_sdk_sts::error::DisplayErrorContext;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let endpoint = std::env::var("ENDPOINT").expect("ENDPOINT is set");
    let client = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&config).endpoint_url(endpoint).build(),
    );
    for _ in std::io::stdin().lock().lines() {
        match client.get_caller_identity().send().await {
            Ok(identity) => println!("ok {}", identity.arn().unwrap_or_default()),
            Err(error) => println!("error {:?}", format!("{}", DisplayErrorContext(&error))),
        }
    }
}
