/* What the readers of load understand: frames, events, and the messages in them. */
#define _GNU_SOURCE
#include "load.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>


/* The JSON value behind a key, or NULL. Keys stand near the beginning of every message here. */
static const char *value(const char *json, size_t length, const char *key)
{
    const char *found = memmem(json, length < 512 ? length : 512, key, strlen(key));
    return found ? found + strlen(key) : NULL;
}

static void deliver(reader *r, uint64_t sent_ns, size_t length)
{
    if (!heard.from_ns || sent_ns < heard.from_ns || sent_ns >= heard.until_ns)
        return;
    r->heard++;
    if (!r->counts)
        return;
    uint64_t now = now_ns(CLOCK_REALTIME);
    if (heard.deliveries == heard.capacity) {
        heard.capacity = heard.capacity ? 2 * heard.capacity : 1 << 20;
        heard.latencies_us = grown(heard.latencies_us, heard.capacity * sizeof *heard.latencies_us);
    }
    heard.latencies_us[heard.deliveries++] = now > sent_ns ? (now - sent_ns) / 1000 : 0;
    heard.message_bytes += length;
}

/* A message of this project's protocol. A cursor is compared as the text between its quotes. */
static void hear_ours(reader *r, const char *json, size_t length)
{
    const char *type = value(json, length, "\"type\":\""), *cursor = value(json, length, "\"cursor\":\"");
    if (!type || !cursor || *type == 'h') /* a heartbeat moves nobody */
        return;
    if (*type == 'd') {
        const char *from = value(json, length, "\"from\":\""), *at = value(json, length, "\"at\":");
        size_t size = strlen(r->cursor);
        if (!from || strncmp(from, r->cursor, size) || from[size] != '"')
            heard.breaks++;
        if (at)
            deliver(r, strtoull(at, NULL, 10) * 1000000, length);
    } else if (heard.from_ns) {
        heard.snapshots++;
    }
    size_t size = strcspn(cursor, "\"");
    if (size < sizeof r->cursor) {
        memcpy(r->cursor, cursor, size);
        r->cursor[size] = 0;
    }
}

static void hear(reader *r, const char *json, size_t length)
{
    if (given.is_ours) {
        hear_ours(r, json, length);
        return;
    }
    const char *sent = value(json, length, "\"sent_ns\":"), *seq = value(json, length, "\"seq\":");
    if (!sent)
        return;
    if (seq) {
        uint64_t number = strtoull(seq, NULL, 10);
        heard.breaks += r->seq && number != r->seq + 1;
        r->seq = number;
    }
    deliver(r, strtoull(sent, NULL, 10), length);
}

size_t read_frames(reader *r, const char *data, size_t length)
{
    size_t done = 0;
    while (r->state == OPEN && length - done >= 2) {
        const uint8_t *frame = (const uint8_t *)data + done;
        size_t head = frame[1] == 126 ? 4 : frame[1] == 127 ? 10 : 2; /* servers do not mask */
        if (length - done < head)
            break;
        uint64_t size = head == 2 ? frame[1] : 0;
        for (size_t i = 2; i < head; i++)
            size = size << 8 | frame[i];
        if (length - done - head < size)
            break;
        switch (frame[0] & 15) {
        case 1: hear(r, data + done + head, size); break;
        case 8: leave(r); return 0;
        case 9: send_frame(r, 10, frame + head, size); break;
        }
        done += head + size;
    }
    return done;
}

/* The servers here write each event as one HTTP chunk, so what frames the chunks stands between the events, where it is
 * skipped with the other lines that are no data. */
size_t read_events(reader *r, const char *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        const char *start = data + done;
        const char *end = memmem(start, length - done, "\n\n", 2);
        const char *end_cr = memmem(start, (end ? (size_t)(end - start) : length - done), "\r\n\r\n", 4);
        if (end_cr)
            end = end_cr;
        if (!end)
            break;
        const char *json = memmem(start, end - start, "data: ", 6);
        if (json)
            hear(r, json + 6, end - json - 6);
        done = end - data + (end == end_cr ? 4 : 2);
    }
    return done;
}
