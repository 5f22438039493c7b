import java.io.FileInputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Base64;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.TrustManagerFactory;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A KCL 3 application: polling|fanout KINESIS_ENDPOINT CA_FILE DYNAMODB_ENDPOINT APPLICATION STREAM.
 * It writes a line for everything that happens to a shard, checkpoints after each batch, and shuts
 * down gracefully when its standard input ends. Fields are separated by tabs, key and value are base64:
 *
 * <pre>
 * start   SHARD SEQUENCE_NUMBER        of the checkpoint it goes on from
 * record  SHARD SEQUENCE_NUMBER SUB_SEQUENCE_NUMBER ARRIVAL_MS KEY VALUE
 * end     SHARD
 * lost    SHARD
 * asked   SHARD                        to stop
 * stopped true|false                   gracefully or not
 * </pre>
 */
public final class KclApplication {
    private KclApplication() {}

    private static synchronized void tell(Object... fields) {
        var line = new StringBuilder();
        for (var field : fields) {
            line.append(line.length() == 0 ? "" : "\t").append(field);
        }
        System.out.println(line);
    }

    private static String base64(ByteBuffer data) {
        var bytes = new byte[data.remaining()];
        data.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }

    private static final class Processor implements ShardRecordProcessor {
        private String shard;

        private static void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            tell("start", shard, input.extendedSequenceNumber().sequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            input.records().forEach(r -> tell("record", shard, r.sequenceNumber(), r.subSequenceNumber(),
                    r.approximateArrivalTimestamp().toEpochMilli(),
                    base64(ByteBuffer.wrap(r.partitionKey().getBytes(StandardCharsets.UTF_8))), base64(r.data())));
            if (!input.records().isEmpty()) {
                checkpoint(input.checkpointer());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            tell("lost", shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            tell("end", shard);
            checkpoint(input.checkpointer());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            tell("asked", shard);
            checkpoint(input.checkpointer());
        }
    }

    private static KinesisAsyncClient kinesis(String endpoint, String ca, StaticCredentialsProvider credentials)
            throws Exception {
        var builder = KinesisAsyncClient.builder().region(Region.US_EAST_1).credentialsProvider(credentials)
                .endpointOverride(URI.create(endpoint));
        if (ca.isEmpty()) {
            return KinesisClientUtil.createKinesisAsyncClient(builder);
        }
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = new FileInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        // As KinesisClientUtil has it, which leaves no room for a trust store.
        return builder.httpClientBuilder(NettyNioAsyncHttpClient.builder().maxConcurrency(Integer.MAX_VALUE)
                .http2Configuration(h2 -> h2.initialWindowSize(512 * 1024)
                        .healthCheckPingPeriod(Duration.ofMinutes(1)))
                .protocol(Protocol.HTTP2).tlsTrustManagersProvider(factory::getTrustManagers)).build();
    }

    private static Scheduler scheduler(String how, KinesisAsyncClient kinesis, String dynamodb,
            StaticCredentialsProvider credentials, String application, String stream) {
        var leases = DynamoDbAsyncClient.builder().region(Region.US_EAST_1).credentialsProvider(credentials)
                .endpointOverride(URI.create(dynamodb)).build();
        // Never called: metrics are off. Its endpoint refuses connections.
        var metrics = CloudWatchAsyncClient.builder().region(Region.US_EAST_1).credentialsProvider(credentials)
                .endpointOverride(URI.create("http://127.0.0.1:9")).build();
        // A worker that comes back under its own name: KCL would share out leases to one that is gone for a minute.
        var worker = application + "-worker";
        var configs = new ConfigsBuilder(
                new SingleStreamTracker(stream,
                        InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                application, kinesis, leases, metrics, worker, Processor::new);
        // The defaults suit fleets: they take minutes to find new shards. A busy machine must not cost a lease.
        var management = configs.leaseManagementConfig().failoverTimeMillis(30_000)
                .leaseAssignmentIntervalMillis(1_000L).shardSyncIntervalMillis(1_000)
                .leasesRecoveryAuditorExecutionFrequencyMillis(5_000)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(30_000)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(2_000);
        management.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true);
        var retrieval = configs.retrievalConfig().retrievalSpecificConfig(how.equals("fanout")
                ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
                : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(300));
        return new Scheduler(configs.checkpointConfig(), configs.coordinatorConfig().parentShardPollIntervalMillis(500),
                management, configs.lifecycleConfig(),
                configs.metricsConfig().metricsLevel(MetricsLevel.NONE).metricsFactory(new NullMetricsFactory()),
                configs.processorConfig(), retrieval);
    }

    public static void main(String[] args) throws Exception {
        var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
        var kinesis = kinesis(args[1], args[2], credentials);
        var scheduler = scheduler(args[0], kinesis, args[3], credentials, args[4], args[5]);
        var worker = new Thread(scheduler, "scheduler");
        worker.setDaemon(true);
        worker.start();
        while (System.in.read() >= 0) {
            continue;
        }
        tell("stopped", scheduler.startGracefulShutdown().get(60, TimeUnit.SECONDS));
        System.exit(0);
    }
}
