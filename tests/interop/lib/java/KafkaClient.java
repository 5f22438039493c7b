import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own client: write ADDRESS TOPIC [name=value...], read ADDRESS TOPIC COUNT
 * [name=value...], group ADDRESS TOPIC GROUP COUNT [name=value...], transaction ADDRESS TRANSACTIONAL-ID.
 */
public final class KafkaClient {
    private static final Duration POLL = Duration.ofMillis(200);

    private KafkaClient() {}

    static Properties properties(String address, String[] args, int from) {
        var properties = new Properties();
        properties.put("bootstrap.servers", address);
        for (int i = from; i < args.length; i++) {
            String[] sides = args[i].split("=", 2);
            properties.put(sides[0], sides[1]);
        }
        return properties;
    }

    static KafkaProducer<byte[], byte[]> producer(Properties properties) {
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Properties properties) {
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static void write(String[] args, List<String> in, PrintStream out) throws Exception {
        try (var producer = producer(properties(args[1], args, 3))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line : in) {
                sent.add(producer.send(Lines.parseWritten(args[2], line)));
            }
            producer.flush();
            for (var future : sent) {
                out.println(future.get().partition() + "\t" + future.get().offset());
            }
        }
    }

    private static void poll(KafkaConsumer<byte[], byte[]> consumer, int count, PrintStream out) {
        for (int left = count; left > 0;) {
            for (var record : consumer.poll(POLL)) {
                if (left-- > 0) {
                    out.println(Lines.formatRead(record));
                }
            }
        }
    }

    private static void read(String[] args, PrintStream out) {
        try (var consumer = consumer(properties(args[1], args, 4))) {
            var partitions = new ArrayList<TopicPartition>();
            consumer.partitionsFor(args[2]).forEach(p -> partitions.add(new TopicPartition(p.topic(), p.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            poll(consumer, Integer.parseInt(args[3]), out);
        }
    }

    private static void group(String[] args, PrintStream out) {
        var properties = properties(args[1], args, 5);
        properties.put("group.id", args[3]);
        properties.putIfAbsent("max.poll.records", "1");
        try (var consumer = consumer(properties)) {
            consumer.subscribe(List.of(args[2]));
            poll(consumer, Integer.parseInt(args[4]), out);
            consumer.commitSync();
        }
    }

    private static void transaction(String[] args) {
        var properties = properties(args[1], args, 3);
        properties.put("transactional.id", args[2]);
        try (var producer = producer(properties)) {
            producer.initTransactions();
        }
    }

    static void run(String[] args, List<String> in, PrintStream out) throws Exception {
        switch (args[0]) {
            case "write" -> write(args, in, out);
            case "read" -> read(args, out);
            case "group" -> group(args, out);
            case "transaction" -> transaction(args);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
