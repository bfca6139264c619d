package millrace.peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Counts and mean amounts of a customer over 1, 7 and 30 days, from a window store in RocksDB. */
public final class CustomerWindows {
    private static final String STORE = "payments";
    private static final long DAY_MS = 86_400_000L;
    private static final int[] DAYS = {1, 7, 30};
    private static final Duration LONGEST = Duration.ofDays(30);
    private static final Duration KEPT = Duration.ofDays(31);
    private static final ObjectMapper JSON = new ObjectMapper();

    private CustomerWindows() {}

    /** Runs until the process is ended. */
    public static void main(String[] arguments) {
        Map<String, String> environment = System.getenv();
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "kafka-streams");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, environment.get("BROKER"));
        config.put(StreamsConfig.STATE_DIR_CONFIG, environment.get("STATE"));
        config.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.windowStoreBuilder(
            Stores.persistentWindowStore(STORE, KEPT, LONGEST, true), Serdes.String(), Serdes.Long()));
        builder.stream(environment.get("SOURCE"),
                Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .mapValues(CustomerWindows::parsed)
            .processValues(Features::new, STORE)
            .to(environment.get("TARGET"), Produced.with(Serdes.String(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), config);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static JsonNode parsed(byte[] value) {
        try {
            return JSON.readTree(value);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static final class Features implements FixedKeyProcessor<String, JsonNode, byte[]> {
        private FixedKeyProcessorContext<String, byte[]> context;
        private WindowStore<String, Long> payments;

        @Override
        public void init(FixedKeyProcessorContext<String, byte[]> given) {
            context = given;
            payments = given.getStateStore(STORE);
        }

        @Override
        public void process(FixedKeyRecord<String, JsonNode> record) {
            JsonNode payment = record.value();
            long time = payment.get("event_time").longValue() / 1000;
            payments.put(record.key(), payment.get("amount").longValue(), time);
            long[] counts = new long[DAYS.length];
            long[] sums = new long[DAYS.length];
            long first = time - LONGEST.toMillis() + 1;
            try (WindowStoreIterator<Long> kept = payments.fetch(record.key(), first, time)) {
                while (kept.hasNext()) {
                    var each = kept.next();
                    for (int at = 0; at < DAYS.length; at++) {
                        if (each.key > time - DAYS[at] * DAY_MS) {
                            counts[at]++;
                            sums[at] += each.value;
                        }
                    }
                }
            }
            ObjectNode row = JSON.createObjectNode();
            row.put("transaction_id", payment.get("transaction_id").textValue());
            for (int at = 0; at < DAYS.length; at++) {
                row.put("customer_count_" + DAYS[at] + "d", counts[at]);
                row.put("customer_mean_amount_" + DAYS[at] + "d", sums[at] / (double) counts[at] / 100.0);
            }
            try {
                context.forward(record.withValue(JSON.writeValueAsBytes(row)));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
