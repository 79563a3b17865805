import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.securitytoken.AWSSecurityTokenService;
import com.amazonaws.services.securitytoken.AWSSecurityTokenServiceClientBuilder;
import com.amazonaws.services.securitytoken.model.GetCallerIdentityRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** Calls STS with the AWS SDK for Java v1, once for each line it reads. */
class Call {
  public static void main(String[] args) throws IOException {
    AWSSecurityTokenService client = AWSSecurityTokenServiceClientBuilder.standard()
        .withEndpointConfiguration(new EndpointConfiguration(System.getenv("ENDPOINT"), System.getenv("AWS_REGION")))
        .build();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    while (lines.readLine() != null) {
      try {
        System.out.println("ok " + client.getCallerIdentity(new GetCallerIdentityRequest()).getArn());
      } catch (RuntimeException e) { // whatever it is, it is the answer
        System.out.println("error " + e.toString().replace('\n', ' '));
      }
    }
  }
}
