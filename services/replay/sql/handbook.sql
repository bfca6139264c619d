-- The Fraud Detection Handbook's simulated payments: t is in seconds since 2018-04-01 00:00 UTC.
SELECT
    id::VARCHAR                                              AS transaction_id,
    epoch_us(TIMESTAMP '2018-04-01') + t::BIGINT * 1_000_000 AS event_time,
    customer::VARCHAR                                        AS customer_id,
    terminal::VARCHAR                                        AS terminal_id,
    cents                                                    AS amount,
    'EUR'                                                    AS currency,
    CASE WHEN scenario > 0 THEN 'fraud' ELSE 'genuine' END   AS label
FROM history
