import java.io.PrintStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * What Kafka's own consumer fetches: fetches ADDRESS SECONDS TOPIC,TOPIC... [name=value...] is assigned
 * the first partition of each, deletes the last topic after a quarter of that time and prints how many
 * fetches the rest of it took; half ADDRESS TOPIC COUNT [name=value...] prints, once COUNT records were
 * read, how many each partition gave.
 */
public final class FetchClient {
    private static final Duration POLL = Duration.ofMillis(100);

    private FetchClient() {}

    private static double fetches(KafkaConsumer<byte[], byte[]> consumer) {
        for (var metric : consumer.metrics().values()) {
            if (metric.metricName().name().equals("fetch-total")
                    && metric.metricName().group().equals("consumer-fetch-manager-metrics")) {
                return (double) metric.metricValue();
            }
        }
        throw new AssertionError("no fetch-total");
    }

    private static void pollUntil(KafkaConsumer<byte[], byte[]> consumer, long nanos) {
        while (System.nanoTime() < nanos) {
            consumer.poll(POLL);
        }
    }

    private static void count(String[] args, PrintStream out) throws Exception {
        String[] topics = args[3].split(",");
        try (var consumer = KafkaClient.consumer(KafkaClient.properties(args[1], args, 4))) {
            // By hand: a group would take the topic from its member before it is asked for much more.
            consumer.assign(Arrays.stream(topics).map(topic -> new TopicPartition(topic, 0)).toList());
            long part = Long.parseLong(args[2]) * 250_000_000L;
            pollUntil(consumer, System.nanoTime() + part);
            double before = fetches(consumer);
            try (var admin = Admin.create(KafkaClient.properties(args[1], args, 4))) {
                admin.deleteTopics(List.of(topics[topics.length - 1])).all().get();
            }
            pollUntil(consumer, System.nanoTime() + 3 * part);
            out.println(Math.round(fetches(consumer) - before));
        }
    }

    private static void half(String[] args, PrintStream out) {
        try (var consumer = KafkaClient.consumer(KafkaClient.properties(args[1], args, 4))) {
            consumer.assign(consumer.partitionsFor(args[2]).stream()
                    .map(info -> new TopicPartition(args[2], info.partition())).toList());
            var counts = new TreeMap<Integer, Integer>();
            for (int left = Integer.parseInt(args[3]); left > 0;) {
                for (var record : consumer.poll(POLL)) {
                    if (left-- > 0) {
                        counts.merge(record.partition(), 1, Integer::sum);
                    }
                }
            }
            counts.forEach((partition, count) -> out.println(partition + "\t" + count));
        }
    }

    static void run(String[] args, List<String> in, PrintStream out) throws Exception {
        switch (args[0]) {
            case "fetches" -> count(args, out);
            case "half" -> half(args, out);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
