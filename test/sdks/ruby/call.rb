# Calls STS with the AWS SDK for Ruby, once for each line it reads.
require "aws-sdk-core"

client = Aws::STS::Client.new(endpoint: ENV.fetch("ENDPOINT"))
$stdout.sync = true
$stdin.each_line do
  puts "ok #{client.get_caller_identity.arn}"
rescue StandardError => e # whatever it is, it is the answer
  puts "error #{e.full_message(highlight: false, order: :top).inspect}"
end
