// Ticks a counter in a store that checks tokens, only while this pod leads: java Tick.java. Java 17 or newer.
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Pattern;

public class Tick {
    static final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    record Answer(int status, String body) {
        String field(String name) {
            var found = Pattern.compile("\"" + name + "\": *\"?([^,\"}]*)").matcher(body);
            return found.find() ? found.group(1) : "";
        }
    }

    static Answer ask(String method, String url, int timeoutMs) { // status 0 when no answer came
        var request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofMillis(timeoutMs));
        request.method(method, BodyPublishers.noBody());
        return client.sendAsync(request.build(), BodyHandlers.ofString())
            .thenApply(answer -> new Answer(answer.statusCode(), answer.body()))
            .exceptionally(none -> new Answer(0, "")).join();
    }

    static double now() throws IOException { // ms of CLOCK_BOOTTIME, which counts suspend; System.nanoTime() does not
        return 1000 * Double.parseDouble(Files.readString(Path.of("/proc/uptime")).split(" ")[0]);
    }

    public static void main(String[] args) throws Exception {
        String sidecar = System.getenv().getOrDefault("LEADER_SIDECAR_URL", "http://localhost:4040");
        String store = System.getenv().getOrDefault("STORE_URL", "http://localhost:8080");
        var work = new ReentrantLock();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { // on SIGTERM
            work.lock(); // for good: what has begun is finished, and nothing else begins
            ask("POST", sidecar + "/resign", 1000); // so the next one need not wait
        }));
        for (;; Thread.sleep(200)) {
            double sent = now(); // validity counts from here, however late the answer is read
            Answer leader = ask("GET", sidecar + "/leader", 1000);
            work.lock(); // a pause anywhere from here on is what the token is for
            try {
                if (leader.status == 200 && now() + 500 < sent + Double.parseDouble(leader.field("valid_for_ms"))) {
                    String token = leader.field("token");
                    System.out.println("token " + token + ": " + ask("POST", store + "/tick?token=" + token, 500));
                }
            } finally {
                work.unlock();
            }
            if (leader.status == 503) // a follower waits here until something changes
                ask("GET", sidecar + "/leader?wait=30&since=" + leader.field("version"), 35_000);
        }
    }
}
