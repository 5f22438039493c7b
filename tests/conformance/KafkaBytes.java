import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Writes random Kafka messages, made and encoded by Kafka's own classes:
 *
 *   KafkaBytes SEED ROUNDS SIZE KEY...      one line a message: key version Q|R bytes canonical-bytes
 *   KafkaBytes errors                       one line an error: code name
 *
 * The first bytes are laid out field by field from Kafka's schema of that version and may hold tagged
 * fields with default values; the second are what Kafka's generated class writes after reading them.
 * Whoever decodes the first and encodes anew must come to the second.
 */
public class KafkaBytes {
    private static Random random;
    private static int size;

    public static void main(String[] args) {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        if (args[0].equals("errors")) {
            for (Errors e : Errors.values()) out.println(e.code() + " " + e.name());
        } else {
            random = new Random(Long.parseLong(args[0]));
            size = Integer.parseInt(args[2]);
            for (int i = 3; i < args.length; i++) {
                ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(args[i]));
                for (int round = 0; round < Integer.parseInt(args[1]); round++) {
                    all(out, type, false, type.requestSchemas());
                    all(out, type, true, type.responseSchemas());
                }
            }
        }
        out.flush();
    }

    private static void all(PrintStream out, ApiMessageType type, boolean response, Schema[] schemas) {
        for (int v = 0; v < schemas.length; v++) {
            if (schemas[v] == null) continue;
            short version = (short) v;
            ByteBuffer laid = ByteBuffer.allocate(1 << 22);
            put(laid, schemas[v]);
            laid.flip();
            ApiMessage message = response ? type.newResponse() : type.newRequest();
            message.read(new ByteBufferAccessor(laid.duplicate()), version);
            ByteBuffer canonical = MessageUtil.toByteBufferAccessor(message, version).buffer();
            out.println(type.apiKey() + " " + v + (response ? " R " : " Q ") + hex(laid) + " " + hex(canonical));
        }
    }

    private static String hex(ByteBuffer b) {
        byte[] bytes = new byte[b.remaining()];
        b.duplicate().get(bytes);
        return bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
    }

    /** A random value of the type; null now and then where the type allows it. */
    private static void put(ByteBuffer to, Type type) {
        if (type instanceof TaggedFields) {
            putTags(to, (TaggedFields) type);
        } else if (type instanceof Schema) {
            /* Before a nullable struct stands a byte: -1 for null. */
            if (type.isNullable()) {
                boolean absent = random.nextInt(3) == 0;
                to.put((byte) (absent ? -1 : 1));
                if (absent) return;
            }
            for (var field : ((Schema) type).fields()) put(to, field.def.type);
        } else if (type.arrayElementType().isPresent()) {
            putArray(to, type);
        } else {
            type.write(to, type.isNullable() && random.nextInt(4) == 0 && !isRecords(type) ? null : value(type));
        }
    }

    /* A null Records is what this server never sends, so none is asked for. */
    private static boolean isRecords(Type type) {
        return type.toString().endsWith("RECORDS");
    }

    private static void putArray(ByteBuffer to, Type type) {
        boolean compact = type instanceof CompactArrayOf;
        int count = type.isNullable() && random.nextInt(4) == 0 ? -1 : random.nextInt(size + 1);
        if (compact) new ByteBufferAccessor(to).writeUnsignedVarint(count + 1);
        else to.putInt(count);
        for (int i = 0; i < count; i++) put(to, type.arrayElementType().get());
    }

    private static void putTags(ByteBuffer to, TaggedFields type) {
        Map<Integer, Field> chosen = new TreeMap<>();
        for (var e : type.fields().entrySet()) if (random.nextBoolean()) chosen.put(e.getKey(), e.getValue());
        new ByteBufferAccessor(to).writeUnsignedVarint(chosen.size());
        for (var e : chosen.entrySet()) {
            ByteBuffer value = ByteBuffer.allocate(1 << 20);
            put(value, e.getValue().type);
            new ByteBufferAccessor(to).writeUnsignedVarint(e.getKey());
            new ByteBufferAccessor(to).writeUnsignedVarint(value.position());
            to.put(value.flip());
        }
    }

    private static Object value(Type type) {
        String name = type.toString();
        switch (name) {
            case "BOOLEAN": return random.nextBoolean();
            case "INT8": return (byte) edge(8);
            case "INT16": return (short) edge(16);
            case "UINT16": return random.nextInt(1 << 16);
            case "INT32": return (int) edge(32);
            case "INT64": return edge(64);
            case "FLOAT64": return random.nextGaussian();
            case "UUID": return new org.apache.kafka.common.Uuid(edge(64), edge(64));
            default:
        }
        if (isRecords(type)) return org.apache.kafka.common.record.internal.MemoryRecords.readableRecords(bytes());
        if (name.contains("STRING")) return text();
        if (name.contains("BYTES")) return bytes();
        throw new IllegalArgumentException("no values for " + name);
    }

    /** Often a value that means something: 0, -1, a limit. */
    private static long edge(int bits) {
        long max = bits == 64 ? Long.MAX_VALUE : (1L << bits - 1) - 1;
        switch (random.nextInt(6)) {
            case 0: return 0;
            case 1: return -1;
            case 2: return max;
            case 3: return -max - 1;
            default: return random.nextLong() >> 64 - bits;
        }
    }

    private static String text() {
        List<String> parts = new ArrayList<>();
        int count = random.nextInt(40) == 0 ? 150 : random.nextInt(size + 1);
        for (int i = 0; i < count; i++) parts.add(List.of("a", "Z", "-", "é", "日", "\ud83d\ude00").get(random.nextInt(6)));
        return String.join("", parts);
    }

    private static ByteBuffer bytes() {
        byte[] b = new byte[random.nextInt(40) == 0 ? 300 : random.nextInt(size * 3 + 1)];
        random.nextBytes(b);
        return ByteBuffer.wrap(b);
    }
}
