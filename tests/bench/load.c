/* load: thousands of WebSocket or SSE readers in one epoll loop, and what they heard.
 *
 *   cc -O2 -Wall -Wextra -o load load.c reader.c hear.c
 *   load -p PORT [options]
 *     -m ws|sse      transport (ws)
 *     -P PATH        what to ask for (/api/ws); a %d in it becomes the reader's view
 *     -n READERS     connections (100)
 *     -v VIEWS       reader i has view i modulo VIEWS (1)
 *     -r RATE        connections opened a second (2000)
 *     -d SECONDS     the measured window (10); it begins a second after everyone is connected
 *     -c PID         tell the CPU time that this process spent within the window
 *     -R             the server speaks this project's protocol: only diffs count, each must begin where the last message
 *                    ended (its `from` is the last `cursor`), and `at` says when it was sent
 *     -S COUNT       so many readers (the first ones) never read again once they are connected
 *     -B COUNT:RATE  so many (the next ones) read RATE bytes a second
 *     -X SECONDS     as the window begins, everyone drops the connection and returns within so many seconds with its cursor
 *     -C CURSOR      returns with this cursor instead
 *     -w TEXT        a first text frame to send, for servers that want one
 *     -H HEADER      a request header, 'Name: value'; may be repeated
 *
 * Without -R a message is what holds "sent_ns":, the sender's wall clock; if it holds "seq":, that must grow by one.
 * Says CONNECTED n, START and END as it goes, then one line of JSON:
 *   deliveries     messages sent within the window to readers that are not of -S or -B. They are awaited for up to two
 *                  seconds after it, so that every reader that keeps up has the same number
 *   missing        how many fewer those readers heard than the one of the same view that heard most
 *   breaks         messages that did not follow on the one before, of any reader and at any time
 *   message_bytes  mean JSON bytes of a delivery; wire_bytes: everything that was read within the window
 *   latency_ms     from sent to read
 */
#define _GNU_SOURCE
#include "load.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 20
#define IN_FLIGHT 500 /* handshakes under way at once */
#define PATIENCE (40 * SECOND)
#define LEAST_GRACE (SECOND / 10)
#define GRACE (2 * SECOND)

options given = {.count = 100, .views = 1, .rate = 2000, .seconds = 10, .path = "/api/ws"};
tally heard = {.until_ns = UINT64_MAX};

static reader *readers;
static int loop, started;

uint64_t now_ns(int clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory) {
        perror("load: memory");
        exit(1);
    }
    return memory;
}

static void understand(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "p:m:P:n:v:r:d:c:RS:B:X:C:w:H:")) != -1)
        switch (option) {
        case 'p': given.port = atoi(optarg); break;
        case 'm': given.is_sse = !strcmp(optarg, "sse"); break;
        case 'P': given.path = optarg; break;
        case 'n': given.count = atoi(optarg); break;
        case 'v': given.views = atoi(optarg); break;
        case 'r': given.rate = atoi(optarg); break;
        case 'd': given.seconds = atoi(optarg); break;
        case 'c': given.pid = atoi(optarg); break;
        case 'R': given.is_ours = 1; break;
        case 'S': given.stalled = atoi(optarg); break;
        case 'B': sscanf(optarg, "%d:%d", &given.paced, &given.pace); break;
        case 'X': given.storm = atoi(optarg); break;
        case 'C': given.alien = optarg; break;
        case 'w': given.first_frame = optarg; break;
        case 'H':
            if (strlen(given.headers) + strlen(optarg) + 3 > sizeof given.headers)
                exit(2);
            strcat(strcat(given.headers, optarg), "\r\n");
            break;
        default: exit(2);
        }
    if (!given.port || given.count < 1 || given.views < 1 || given.rate < 1 ||
        given.stalled + given.paced > given.count) {
        fprintf(stderr, "load: -p PORT is needed; numbers are at least 1; -S and -B are of -n. See the head of load.c\n");
        exit(2);
    }
}

/* Open the connections that are due, but no more handshakes at once than a server's backlog takes. */
static void connect_due(uint64_t since_ns)
{
    uint64_t due = (now_ns(CLOCK_MONOTONIC) - since_ns) / 1000000 * given.rate / 1000 + 1;
    while (started < given.count && (uint64_t)started < due &&
           started - heard.established - heard.failed < IN_FLIGHT) {
        begin(&readers[started], started, loop);
        started++;
    }
}

/* Let those of -B read what they may have read by now. */
static void feed_paced(uint64_t since_ns)
{
    uint64_t allowed = (now_ns(CLOCK_MONOTONIC) - since_ns) / 1000000 * given.pace / 1000;
    for (reader *r = readers + given.stalled; r < readers + given.stalled + given.paced; r++)
        if (r->state == OPEN && r->eaten < allowed)
            receive(r, loop, allowed - r->eaten);
}

/* Those who are not connected by now are given up. */
static void close_the_door(void)
{
    for (reader *r = readers; r < readers + given.count; r++) {
        if (r->state == CONNECTING)
            leave(r);
        r->counts = r->state == OPEN && r->appetite == EAGER;
    }
}

/* Everyone drops the connection at once, to return at the pace that the storm has. */
static void drop_everyone(void)
{
    for (reader *r = readers; r < readers + given.count; r++)
        if (r->state != GONE)
            drop(r);
    given.rate = given.count / given.storm + 1;
    heard.established = started = 0;
}

/* Read what there is, for at most a tick. */
static void turn(uint64_t since_ns)
{
    struct epoll_event events[1024];
    if (started < given.count)
        connect_due(since_ns);
    int ready = epoll_wait(loop, events, 1024, started < given.count ? 1 : TICK_MS);
    for (int i = 0; i < ready; i++) {
        reader *r = events[i].data.ptr;
        if (events[i].events & EPOLLIN)
            receive(r, loop, SIZE_MAX);
        else if (r->state != GONE)
            leave(r);
    }
    if (given.paced)
        feed_paced(since_ns);
}

static uint64_t missing(void)
{
    uint64_t *most = calloc(given.views, sizeof *most), fewer = 0;
    for (reader *r = readers; r < readers + given.count; r++)
        if (r->counts && r->heard > most[r->view])
            most[r->view] = r->heard;
    for (reader *r = readers; r < readers + given.count; r++)
        if (r->counts)
            fewer += most[r->view] - r->heard;
    free(most);
    return fewer;
}

/* User and system time: fields 14 and 15 of /proc/PID/stat, counted from behind the name in brackets. */
static double cpu_seconds(void)
{
    char name[64], text[1024] = "";
    unsigned long user = 0, kernel = 0;
    snprintf(name, sizeof name, "/proc/%d/stat", given.pid);
    FILE *file = given.pid ? fopen(name, "r") : NULL;
    if (file) {
        char *end = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
        if (end)
            sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
        fclose(file);
    }
    return (double)(user + kernel) / sysconf(_SC_CLK_TCK);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double latency_ms(double share)
{
    return heard.deliveries ? heard.latencies_us[(size_t)(share * (heard.deliveries - 1))] / 1e3 : 0;
}

static void report(double cpu)
{
    int stalled_closed = 0;
    for (int i = 0; i < given.stalled; i++)
        stalled_closed += readers[i].state == GONE;
    if (heard.deliveries)
        qsort(heard.latencies_us, heard.deliveries, sizeof *heard.latencies_us, ascending);
    printf("{\"established\":%d,\"failed\":%d,\"closed\":%d,\"stalled_closed\":%d,", heard.established, heard.failed,
           heard.closed, stalled_closed);
    printf("\"seconds\":%.3f,\"cpu_seconds\":%.2f,", (heard.until_ns - heard.from_ns) / 1e9, cpu);
    printf("\"deliveries\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"breaks\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",",
           heard.deliveries, missing(), heard.breaks, heard.snapshots);
    printf("\"message_bytes\":%.1f,\"wire_bytes\":%" PRIu64 ",",
           heard.deliveries ? (double)heard.message_bytes / heard.deliveries : 0, heard.wire_bytes);
    printf("\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n", latency_ms(0.5), latency_ms(0.99), latency_ms(1));
}

static void say(const char *what)
{
    puts(what);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    understand(argc, argv);
    loop = epoll_create1(0);
    readers = calloc(given.count, sizeof *readers);
    if (loop < 0 || !readers) {
        perror("load");
        return 1;
    }
    uint64_t begun = now_ns(CLOCK_MONOTONIC), give_up = begun + given.count * SECOND / given.rate + PATIENCE;
    while (heard.established + heard.failed < given.count && now_ns(CLOCK_MONOTONIC) < give_up)
        turn(begun);
    printf("CONNECTED %d\n", heard.established);
    fflush(stdout);
    for (uint64_t settled = now_ns(CLOCK_MONOTONIC) + SECOND; now_ns(CLOCK_MONOTONIC) < settled;)
        turn(begun);
    close_the_door();

    double cpu = cpu_seconds();
    say("START");
    heard.from_ns = now_ns(CLOCK_REALTIME);
    if (given.storm) {
        drop_everyone();
        begun = now_ns(CLOCK_MONOTONIC);
    }
    while (now_ns(CLOCK_REALTIME) < heard.from_ns + given.seconds * SECOND)
        turn(begun);
    heard.until_ns = now_ns(CLOCK_REALTIME);
    cpu = cpu_seconds() - cpu;
    say("END");
    while (now_ns(CLOCK_REALTIME) < heard.until_ns + LEAST_GRACE ||
           (missing() && now_ns(CLOCK_REALTIME) < heard.until_ns + GRACE))
        turn(begun);
    report(cpu);
    return 0;
}
