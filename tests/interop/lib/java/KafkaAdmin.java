import java.io.PrintStream;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Kafka's own admin client: SCENARIO ADDRESS TOPIC SECONDS, in which a change is seen at the latest. Fails with an
 * AssertionError. */
public final class KafkaAdmin {
    private KafkaAdmin() {}

    private static void expect(boolean holds, Object seen) {
        if (!holds) {
            throw new AssertionError(String.valueOf(seen));
        }
    }

    private interface Look<T> {
        T now() throws Exception;
    }

    private static <T> void becomes(int seconds, Look<T> look, Predicate<T> holds) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        T seen = look.now();
        while (!holds.test(seen) && System.nanoTime() < end) {
            Thread.sleep(20);
            seen = look.now();
        }
        expect(holds.test(seen), seen);
    }

    private static void refused(KafkaFuture<?> future, Class<?> error) throws Exception {
        try {
            expect(false, "expected " + error + ", got " + future.get());
        } catch (ExecutionException seen) {
            expect(error.isInstance(seen.getCause()), seen);
        }
    }

    private static void topics(Admin admin, String topic, int seconds) throws Exception {
        var created = admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1)));
        created.all().get();
        expect(created.numPartitions(topic).get() == 2, created.numPartitions(topic));
        expect(created.config(topic).get().get("cleanup.policy") != null, "no configuration in the answer");
        var id = created.topicId(topic).get();
        refused(admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all(), TopicExistsException.class);
        refused(admin.createTopics(List.of(new NewTopic(topic + "-3", 1, (short) 3))).all(),
                InvalidReplicationFactorException.class);
        expect(admin.listTopics().names().get().contains(topic), "not listed");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        refused(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all(), InvalidPartitionsException.class);
        becomes(seconds, () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic),
                d -> d.partitions().size() == 4 && d.topicId().equals(id));
        var byId = admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id)));
        expect(byId.allTopicIds().get().get(id).name().equals(topic), "not found by its id");
        admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).all().get();
        refused(admin.deleteTopics(List.of(topic)).all(), UnknownTopicOrPartitionException.class);
    }

    private static ConfigEntry config(Admin admin, ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
    }

    private static void configs(Admin admin, String topic, int seconds) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, Optional.empty(), Optional.empty())
                .configs(Map.of("retention.ms", "5000000")))).all().get();
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        expect(config(admin, resource, "retention.ms").source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG,
                config(admin, resource, "retention.ms"));
        expect(config(admin, resource, "segment.bytes").source() == ConfigEntry.ConfigSource.DEFAULT_CONFIG,
                config(admin, resource, "segment.bytes"));
        Collection<AlterConfigOp> change = List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", null), OpType.DELETE),
                new AlterConfigOp(new ConfigEntry("retention.bytes", "1000000"), OpType.SET),
                new AlterConfigOp(new ConfigEntry("leader.replication.throttled.replicas", "0:1"), OpType.APPEND));
        admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
        becomes(seconds, () -> config(admin, resource, "retention.ms"), c -> c.value().equals("604800000"));
        expect(config(admin, resource, "retention.bytes").value().equals("1000000"), "not set");
        var throttled = config(admin, resource, "leader.replication.throttled.replicas");
        expect(throttled.value().equals("0:1"), throttled);
    }

    private static TopicPartition fill(Admin admin, String address, String topic) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
        var properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("linger.ms", "0");
        try (var producer = KafkaClient.producer(properties)) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i, null, new byte[] {(byte) i})).get();
            }
        }
        return new TopicPartition(topic, 0);
    }

    private static void records(Admin admin, String address, String topic) throws Exception {
        var where = fill(admin, address, topic);
        var deleted = admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(4)));
        expect(deleted.lowWatermarks().get(where).get().lowWatermark() == 4, "low watermark");
        expect(offset(admin, where, OffsetSpec.earliest()) == 4, "earliest");
    }

    private static long offset(Admin admin, TopicPartition where, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(where, spec)).partitionResult(where).get().offset();
    }

    private static void offsets(Admin admin, String address, String topic) throws Exception {
        var where = fill(admin, address, topic);
        expect(offset(admin, where, OffsetSpec.earliest()) == 0, "earliest");
        expect(offset(admin, where, OffsetSpec.latest()) == 10, "latest");
        expect(offset(admin, where, OffsetSpec.maxTimestamp()) == 9, "highest time stamp");
        expect(offset(admin, where, OffsetSpec.forTimestamp(1_700_000_000_005L)) == 5, "by time");
        expect(offset(admin, where, OffsetSpec.forTimestamp(1_700_000_000_010L)) == -1, "after the end");
        expect(offset(admin, where, OffsetSpec.earliestLocal()) == 0, "earliest local");
        expect(offset(admin, where, OffsetSpec.latestTiered()) == -1, "latest tiered");
    }

    private static void cluster(Admin admin, String address) throws Exception {
        var found = admin.describeCluster();
        expect(found.nodes().get().size() == 1, found.nodes().get());
        var node = found.nodes().get().iterator().next();
        expect((node.host() + ":" + node.port()).equals(address), node);
        expect(found.controller().get().id() == node.id(), found.controller().get());
        expect(found.clusterId().get().length() == 22, found.clusterId().get());
    }

    private static void groups(Admin admin, String address, String topic) throws Exception {
        var where = fill(admin, address, topic);
        admin.alterConsumerGroupOffsets(topic, Map.of(where, new OffsetAndMetadata(7, "note"))).all().get();
        var stored = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(where);
        expect(stored.offset() == 7 && stored.metadata().equals("note"), stored);
        expect(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(topic)), "not listed");
        admin.deleteConsumerGroups(List.of(topic)).all().get();
        refused(admin.describeConsumerGroups(List.of(topic)).all(), GroupIdNotFoundException.class);
    }

    static void run(String[] args, List<String> in, PrintStream out) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", args[1]))) {
            switch (args[0]) {
                case "topics" -> topics(admin, args[2], Integer.parseInt(args[3]));
                case "configs" -> configs(admin, args[2], Integer.parseInt(args[3]));
                case "records" -> records(admin, args[1], args[2]);
                case "offsets" -> offsets(admin, args[1], args[2]);
                case "cluster" -> cluster(admin, args[1]);
                case "groups" -> groups(admin, args[1], args[2]);
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
    }
}
