import java.io.FileInputStream;
import java.io.PrintStream;
import java.net.URI;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.HashMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.net.ssl.TrustManagerFactory;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.traits.ListTrait;
import software.amazon.awssdk.core.traits.MapTrait;
import software.amazon.awssdk.http.TlsTrustManagersProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardRequest;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;
import software.amazon.awssdk.utils.builder.SdkBuilder;

/**
 * AWS SDK for Java v2: sync|async ENDPOINT CA_FILE OPERATION PARAMETERS [RECORDS]. The client's own
 * classes are filled from JSON and written as JSON by what they say of their fields, so that every
 * operation can be called; blobs are base64, times are seconds. SubscribeToShard answers with the
 * events that came until it had RECORDS records, or the shard or the subscription ended.
 */
public final class KinesisClient {
    private static final String MODEL = "software.amazon.awssdk.services.kinesis.model.";
    private static final Map<String, Object> CLIENTS = new HashMap<>();

    private KinesisClient() {}

    private static TlsTrustManagersProvider trust(String file) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = new FileInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory::getTrustManagers;
    }

    private static Object client(String kind, String endpoint, String ca) throws Exception {
        var found = CLIENTS.get(kind + endpoint);
        if (found != null) {
            return found;
        }
        var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
        if (kind.equals("sync")) {
            var http = Apache5HttpClient.builder();
            if (!ca.isEmpty()) {
                http.tlsTrustManagersProvider(trust(ca));
            }
            found = software.amazon.awssdk.services.kinesis.KinesisClient.builder().region(Region.US_EAST_1)
                    .endpointOverride(URI.create(endpoint)).credentialsProvider(credentials)
                    .httpClientBuilder(http).build();
        } else {
            var http = NettyNioAsyncHttpClient.builder();
            if (!ca.isEmpty()) {
                http.tlsTrustManagersProvider(trust(ca));
            }
            found = KinesisAsyncClient.builder().region(Region.US_EAST_1)
                    .endpointOverride(URI.create(endpoint)).credentialsProvider(credentials)
                    .httpClientBuilder(http).build();
        }
        CLIENTS.put(kind + endpoint, found);
        return found;
    }

    private static Object value(SdkField<?> field, JsonNode json) {
        switch (field.marshallingType().getKnownType()) {
            case STRING: return json.asString();
            case INTEGER: return Integer.valueOf(json.asNumber());
            case LONG: return Long.valueOf(json.asNumber());
            case BOOLEAN: return json.asBoolean();
            case INSTANT: return Instant.ofEpochMilli(Math.round(Double.parseDouble(json.asNumber()) * 1000));
            case SDK_BYTES: return SdkBytes.fromByteArray(Base64.getDecoder().decode(json.asString()));
            case SDK_POJO: return filled(field.constructor().get(), json);
            case LIST:
                var member = field.getTrait(ListTrait.class).memberFieldInfo();
                return json.asArray().stream().map(one -> value(member, one)).collect(Collectors.toList());
            case MAP:
                var inside = field.getTrait(MapTrait.class).valueFieldInfo();
                return json.asObject().entrySet().stream()
                        .collect(Collectors.toMap(Map.Entry::getKey, e -> value(inside, e.getValue())));
            default: throw new IllegalArgumentException(field.memberName());
        }
    }

    private static Object filled(SdkPojo builder, JsonNode json) {
        for (var field : builder.sdkFields()) {
            json.field(field.locationName()).ifPresent(found -> field.set(builder, value(field, found)));
        }
        return ((SdkBuilder<?, ?>) builder).build();
    }

    private static String quoted(String text) {
        var out = new StringBuilder("\"");
        text.chars().forEach(c -> out.append(c < 0x20 || c == '"' || c == '\\' || c > 0x7e
                ? String.format("\\u%04x", c) : String.valueOf((char) c)));
        return out.append('"').toString();
    }

    private static String json(Object value) {
        if (value instanceof SdkPojo) {
            return ((SdkPojo) value).sdkFields().stream().filter(field -> field.getValueOrDefault(value) != null)
                    .filter(field -> !(field.getValueOrDefault(value) instanceof software.amazon.awssdk.core.util.SdkAutoConstructList))
                    .map(field -> quoted(field.locationName()) + ":" + json(field.getValueOrDefault(value)))
                    .collect(Collectors.joining(",", "{", "}"));
        } else if (value instanceof List) {
            return ((List<?>) value).stream().map(KinesisClient::json).collect(Collectors.joining(",", "[", "]"));
        } else if (value instanceof Map) {
            return ((Map<?, ?>) value).entrySet().stream().map(e -> quoted((String) e.getKey()) + ":" + json(e.getValue()))
                    .collect(Collectors.joining(",", "{", "}"));
        } else if (value instanceof SdkBytes) {
            return quoted(Base64.getEncoder().encodeToString(((SdkBytes) value).asByteArray()));
        } else if (value instanceof Instant) {
            return String.format(java.util.Locale.ROOT, "%.3f", ((Instant) value).toEpochMilli() / 1000.0);
        }
        return value instanceof String ? quoted((String) value) : String.valueOf(value);
    }

    private static String subscribe(KinesisAsyncClient client, SubscribeToShardRequest request, int records)
            throws Exception {
        var events = new LinkedBlockingQueue<String>();
        var left = new java.util.concurrent.atomic.AtomicInteger(records);
        var subscription = new java.util.concurrent.atomic.AtomicReference<org.reactivestreams.Subscription>();
        var ended = new java.util.concurrent.CountDownLatch(1);
        var failure = new java.util.concurrent.atomic.AtomicReference<Throwable>();
        var handler = SubscribeToShardResponseHandler.builder()
                .onError(failure::set)
                .subscriber(() -> new org.reactivestreams.Subscriber<>() {
                    @Override
                    public void onSubscribe(org.reactivestreams.Subscription s) {
                        subscription.set(s);
                        s.request(1);
                    }

                    @Override
                    public void onNext(software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream e) {
                        if (e instanceof software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent) {
                            var event = (software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent) e;
                            events.add(json(event));
                            if (left.addAndGet(-event.records().size()) <= 0) {
                                ended.countDown();
                                return;
                            }
                        }
                        subscription.get().request(1);
                    }

                    @Override
                    public void onError(Throwable error) {
                        failure.set(error);
                        ended.countDown();
                    }

                    @Override
                    public void onComplete() {
                        ended.countDown();
                    }
                }).build();
        var call = client.subscribeToShard(request, handler);
        call.whenComplete((none, error) -> {
            if (error != null) {
                failure.set(error);
            }
            ended.countDown();
        });
        if (!ended.await(50, TimeUnit.SECONDS)) {
            throw new AssertionError("the subscription neither gave its records nor ended: " + events);
        }
        if (failure.get() != null && left.get() > 0) {
            throw failure.get() instanceof Exception ? (Exception) failure.get() : new Exception(failure.get());
        }
        call.cancel(true);
        return "{\"Events\":[" + String.join(",", events) + "]}";
    }

    private static String call(String[] args) throws Exception {
        var client = client(args[0], args[1], args[2]);
        var builder = (SdkPojo) Class.forName(MODEL + args[3] + "Request").getMethod("builder").invoke(null);
        var request = filled(builder, JsonNode.parser().parse(args[4]));
        if (args[3].equals("SubscribeToShard")) {
            return subscribe((KinesisAsyncClient) client, (SubscribeToShardRequest) request, Integer.parseInt(args[5]));
        }
        var name = Character.toLowerCase(args[3].charAt(0)) + args[3].substring(1);
        var type = args[0].equals("sync") ? software.amazon.awssdk.services.kinesis.KinesisClient.class
                : KinesisAsyncClient.class;
        Object answer;
        try {
            answer = type.getMethod(name, request.getClass()).invoke(client, request);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
        return json(answer instanceof java.util.concurrent.CompletableFuture
                ? ((java.util.concurrent.CompletableFuture<?>) answer).join() : answer);
    }

    static void run(String[] args, List<String> in, PrintStream out) throws Exception {
        try {
            out.println(call(args));
        } catch (Exception e) {
            var cause = e instanceof CompletionException || e.getCause() instanceof AwsServiceException ? e.getCause() : e;
            if (!(cause instanceof AwsServiceException)) {
                throw e;
            }
            var details = ((AwsServiceException) cause).awsErrorDetails();
            out.println("{\"Error\":[" + quoted(details.errorCode()) + "," + quoted(details.errorMessage()) + "]}");
        }
    }
}
