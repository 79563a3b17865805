import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import software.amazon.awssdk.services.sts.StsClient;

/** Calls STS with the AWS SDK for Java v2, once for each line it reads. */
class Call {
  public static void main(String[] args) throws IOException {
    StsClient client = StsClient.builder().endpointOverride(URI.create(System.getenv("ENDPOINT"))).build();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    while (lines.readLine() != null) {
      try {
        System.out.println("ok " + client.getCallerIdentity().arn());
      } catch (RuntimeException e) { // whatever it is, it is the answer
        System.out.println("error " + e.toString().replace('\n', ' '));
      }
    }
  }
}
