// Signs and sends from Java: client|connection, and the URL; see openssl.sh for what it reads. Needs nothing but a JDK.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Sender {
    // It asks for HTTP/2 with each request, and takes HTTP/1.1 where it isn't given.
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static void main(String[] words) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] part = line.split("\t");
            byte[] body = Files.readAllBytes(Path.of(part[3]));
            String signature = part[4].equals("-") ? signed(part[0], part[1], part[2], body) : part[4];
            Map<String, String> headers = Map.of("Content-Type", "application/json", "webhook-id", part[0],
                "webhook-timestamp", part[1], "webhook-signature", signature);
            URI url = URI.create(words[1]);
            int status = words[0].equals("client") ? client(url, headers, body) : connection(url, headers, body);
            System.out.println(status + "\t" + signature);
        }
    }

    private static String signed(String id, String time, String secret, byte[] body) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(Base64.getDecoder().decode(secret.substring("whsec_".length())), "HmacSHA256"));
        mac.update((id + "." + time + ".").getBytes(StandardCharsets.UTF_8));
        return "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
    }

    private static int client(URI url, Map<String, String> headers, byte[] body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(url).POST(HttpRequest.BodyPublishers.ofByteArray(body));
        headers.forEach(request::header);
        return CLIENT.send(request.build(), HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    private static int connection(URI url, Map<String, String> headers, byte[] body) throws Exception {
        HttpURLConnection made = (HttpURLConnection) url.toURL().openConnection();
        made.setRequestMethod("POST");
        made.setDoOutput(true);
        made.setFixedLengthStreamingMode(body.length);
        headers.forEach(made::setRequestProperty);
        made.getOutputStream().write(body);
        return made.getResponseCode();
    }
}
