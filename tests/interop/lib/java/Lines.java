import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;

/** Records as lines of text, as ../lines.py describes them. */
final class Lines {
    private Lines() {}

    static String base64(byte[] data) {
        return data == null ? "-" : Base64.getEncoder().encodeToString(data);
    }

    static byte[] unbase64(String text) {
        return text.equals("-") ? null : Base64.getDecoder().decode(text);
    }

    static ProducerRecord<byte[], byte[]> parseWritten(String topic, String line) {
        String[] fields = line.split("\t", -1);
        Integer partition = fields[0].equals("-1") ? null : Integer.valueOf(fields[0]);
        var record = new ProducerRecord<>(topic, partition, unbase64(fields[1]), unbase64(fields[2]));
        for (String pair : fields[3].isEmpty() ? new String[0] : fields[3].split(",")) {
            String[] sides = pair.split(":", -1);
            record.headers().add(new String(unbase64(sides[0]), StandardCharsets.UTF_8), unbase64(sides[1]));
        }
        return record;
    }

    static String formatRead(ConsumerRecord<byte[], byte[]> record) {
        var headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.length() == 0 ? "" : ",")
                    .append(base64(header.key().getBytes(StandardCharsets.UTF_8)))
                    .append(":").append(base64(header.value()));
        }
        return record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t"
                + base64(record.key()) + "\t" + base64(record.value()) + "\t" + headers;
    }
}
