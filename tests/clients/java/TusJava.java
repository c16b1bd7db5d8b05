// Uploads one file with tus-java-client as Maven Central has it, and says in JSON lines what happened.
//
//     java -cp 'JARS/*' TusJava.java ENDPOINT FILE PATH [--chunk N] [--stop-at N] [--die-at N] [--url URL]
//
// ENDPOINT is an order's upload link, nothing else is known. --chunk is what one request carries at
// most; --stop-at ends the upload in good order after N bytes and resumes it with a new client, by
// nothing but the file's fingerprint; --die-at ends the process (SIGKILL) in the middle of a request,
// when N bytes were written to it; --url resumes what another process began. Trust comes from the
// file that CA names.

import io.tus.java.client.TusClient;
import io.tus.java.client.TusURLMemoryStore;
import io.tus.java.client.TusUpload;
import io.tus.java.client.TusUploader;
import java.io.File;
import java.io.FileInputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

class TusJava {
    public static void main(String[] words) throws Exception {
        Map<String, String> said = new HashMap<>();
        for (int at = 3; at + 1 < words.length; at += 2) said.put(words[at], words[at + 1]);
        trust(System.getenv("CA"));
        TusURLMemoryStore known = new TusURLMemoryStore();
        TusUploader run;
        if (said.containsKey("--url")) {
            URL url = new URL(said.get("--url"));
            run = client(words[0], known).beginOrResumeUploadFromURL(upload(words), url);
            say("resumed", "\"offset\":" + run.getOffset());
        } else {
            run = client(words[0], known).resumeOrCreateUpload(upload(words));
            say("url", "\"url\":\"" + run.getUploadURL() + "\"");
        }
        // The client gathers so much before it writes anything.
        int step = 10_000;
        run.setChunkSize(step);
        if (said.containsKey("--chunk")) run.setRequestPayloadSize(Integer.parseInt(said.get("--chunk")));
        long stop = Long.parseLong(said.getOrDefault("--stop-at", "-1"));
        long die = Long.parseLong(said.getOrDefault("--die-at", "-1"));
        while (run.uploadChunk() > -1) {
            if (die >= 0 && run.getOffset() >= die) {
                say("dies", "\"sent\":" + run.getOffset());
                long own = ProcessHandle.current().pid();
                new ProcessBuilder("kill", "-KILL", Long.toString(own)).start();
                Thread.sleep(Long.MAX_VALUE);
            }
            if (stop >= 0 && run.getOffset() >= stop) {
                run.finish();
                say("stopped", "\"sent\":" + run.getOffset());
                long before = run.getOffset();
                run = client(words[0], known).resumeUpload(upload(words));
                say("resumed", "\"offset\":" + run.getOffset());
                if (run.getOffset() != before) throw new IllegalStateException("other bytes are there than were sent");
                run.setChunkSize(step);
                stop = -1;
            }
        }
        run.finish();
        say("done", "\"url\":\"" + run.getUploadURL() + "\",\"hash\":\"" + hash(run.getUploadURL()) + "\"");
    }

    static TusClient client(String endpoint, TusURLMemoryStore known) throws Exception {
        TusClient client = new TusClient();
        client.setUploadCreationURL(new URL(endpoint));
        client.enableResuming(known);
        return client;
    }

    static TusUpload upload(String[] words) throws Exception {
        TusUpload upload = new TusUpload(new File(words[1]));
        Map<String, String> metadata = new HashMap<>();
        metadata.put("filename", new File(words[2]).getName());
        metadata.put("relativePath", words[2]);
        upload.setMetadata(metadata);
        return upload;
    }

    static String hash(URL url) throws Exception {
        HttpURLConnection asked = (HttpURLConnection) url.openConnection();
        asked.setRequestMethod("HEAD");
        asked.setRequestProperty("Tus-Resumable", "1.0.0");
        return asked.getHeaderField("Stemvault-Hash");
    }

    static void trust(String path) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (FileInputStream file = new FileInputStream(path)) {
            roots.setCertificateEntry("studio", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
    }

    static void say(String event, String fields) {
        byte[] line = ("{\"event\":\"" + event + "\"," + fields + "}\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(line, 0, line.length);
        System.out.flush();
    }
}
