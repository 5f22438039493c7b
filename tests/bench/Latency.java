import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Latency ADDRESS TOPIC SECONDS SIZE RATE: acknowledgement times of single records at a steady rate, from
 * when each was due. Two seconds of warm-up, for the sake of the compiler, are not counted.
 */
public final class Latency {
    private static final int WARM_UP_S = 2;

    public static void main(String[] args) throws Exception {
        int seconds = Integer.parseInt(args[2]);
        int rate = Integer.parseInt(args[4]);
        byte[] value = new byte[Integer.parseInt(args[3])];
        int skip = WARM_UP_S * rate;
        int total = skip + seconds * rate;
        long[] taken = new long[total];
        var failed = new AtomicInteger();
        var settings = Map.<String, Object>of("bootstrap.servers", args[0], "acks", "all", "linger.ms", "0");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            int partitions = producer.partitionsFor(args[1]).size();
            long start = System.nanoTime();
            for (int i = 0; i < total; i++) {
                long due = start + i * 1_000_000_000L / rate;
                for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                    LockSupport.parkNanos(left);
                }
                int index = i;
                producer.send(new ProducerRecord<>(args[1], i % partitions, null, value), (metadata, error) -> {
                    taken[index] = System.nanoTime() - due;
                    if (error != null) {
                        failed.incrementAndGet();
                    }
                });
            }
        }
        if (failed.get() > 0) {
            throw new IllegalStateException(failed + " records failed");
        }
        long[] counted = Arrays.copyOfRange(taken, skip, total);
        Arrays.sort(counted);
        System.out.printf("records=%d p50_us=%d p99_us=%d max_us=%d%n", counted.length,
                counted[counted.length / 2] / 1000, counted[counted.length * 99 / 100] / 1000,
                counted[counted.length - 1] / 1000);
    }
}
