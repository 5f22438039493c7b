import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.xerial.snappy.Snappy;

/** Writes the golden batches into the folder given: see README.md. */
public class Make {
    static final long T = 1700000000000L;
    static Path folder;

    static byte[] utf8(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static SimpleRecord record(long time, String key, String value, Header... headers) {
        return new SimpleRecord(time, utf8(key), utf8(value), headers);
    }

    static SimpleRecord[] mixed() {
        return new SimpleRecord[] {
            record(T, "k0", "v0"),
            record(T + 5, null, "no key"),
            record(T + 3, "k2", null, new RecordHeader("a", utf8("1")), new RecordHeader("b", (byte[]) null)),
            record(T + 5, "", ""),
            record(T - 1, "k4", "x".repeat(300), new RecordHeader("h", utf8(""))),
        };
    }

    static SimpleRecord[] large() {
        SimpleRecord[] all = new SimpleRecord[300];
        for (int i = 0; i < all.length; i++) all[i] = record(T + i, "key-" + i, ("value-" + i + ",").repeat(100));
        return all;
    }

    static byte[] write(String name, MemoryRecords records) throws Exception {
        ByteBuffer b = records.buffer().duplicate();
        byte[] bytes = new byte[b.remaining()];
        b.get(bytes);
        return write(name, bytes);
    }

    static byte[] write(String name, byte[] bytes) throws Exception {
        Files.write(folder.resolve(name + ".bin"), bytes);
        return bytes;
    }

    /** The same batch with its records as one raw snappy block, without Java's framing. */
    static byte[] rawSnappy(byte[] plain) throws Exception {
        byte[] packed = Snappy.compress(Arrays.copyOfRange(plain, 61, plain.length));
        ByteBuffer b = ByteBuffer.allocate(61 + packed.length);
        b.put(plain, 0, 61).put(packed);
        b.putInt(8, b.capacity() - 12).putShort(21, (short) 2);
        CRC32C crc = new CRC32C();
        crc.update(b.array(), 21, b.capacity() - 21);
        b.putInt(17, (int) crc.getValue());
        return b.array();
    }

    public static void main(String[] args) throws Exception {
        folder = Path.of(args[0]);
        Compression[] codecs = {Compression.NONE, Compression.gzip().build(), Compression.snappy().build(),
            Compression.lz4().build(), Compression.zstd().build()};
        byte[] plain = null, plainLarge = null;
        for (Compression codec : codecs) {
            byte[] mixed = write(codec.type().name, MemoryRecords.withRecords(codec, mixed()));
            MemoryRecords many = MemoryRecords.withRecords(codec, large());
            if (codec == Compression.NONE) {
                plain = mixed;
                plainLarge = many.buffer().array();
                plainLarge = Arrays.copyOf(plainLarge, many.sizeInBytes());
            } else {
                write(codec.type().name + "-large", many);
            }
        }
        write("snappy-raw", rawSnappy(plain));
        write("snappy-raw-large", rawSnappy(plainLarge));
        write("idempotent", MemoryRecords.withIdempotentRecords(Compression.NONE, 4711L, (short) 3, Integer.MAX_VALUE - 2, mixed()));
        write("transactional", MemoryRecords.withTransactionalRecords(Compression.NONE, 4711L, (short) 3, 10, mixed()));
        write("log-append", MemoryRecords.withRecords((byte) 2, 0L, Compression.NONE, TimestampType.LOG_APPEND_TIME, mixed()));
        write("control", MemoryRecords.withEndTransactionMarker(7L, T, 2, 4711L, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 1)));
        SimpleRecord[] bare = {record(T, "k0", "v0"), record(T + 1, "k1", "v1")};
        write("magic0", MemoryRecords.withRecords((byte) 0, 0L, Compression.NONE, TimestampType.CREATE_TIME, bare));
        write("magic1", MemoryRecords.withRecords((byte) 1, 0L, Compression.NONE, TimestampType.CREATE_TIME, bare));
    }
}
