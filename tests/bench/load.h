/* What the parts of load share. load.c tells the story, reader.c connects and reads, hear.c understands what was read. */
#include <stddef.h>
#include <stdint.h>

#define SECOND 1000000000ull

enum { CONNECTING, OPEN, GONE };
enum { EAGER, PACED, STALLED };

typedef struct {
    int fd, view, state, appetite;
    int counts;      /* whether what it hears is a delivery: it reads freely, and was connected before the window */
    uint64_t heard;  /* deliveries */
    uint64_t seq;    /* of the last message, where the server numbers them */
    char cursor[40]; /* of the last message, where the server is ours */
    uint64_t eaten;  /* bytes, by which a paced reader is kept to its pace */
    char *rest;      /* the beginning of a message that is not whole yet */
    size_t length, capacity;
} reader;

/* As they were given; load.c says what they mean. */
typedef struct {
    int port, count, views, rate, seconds, pid, is_sse, is_ours;
    int stalled, paced, pace, storm;
    const char *path, *first_frame, *alien;
    char headers[4096];
} options;

typedef struct {
    int established, failed, closed;
    uint64_t from_ns, until_ns; /* the window on the wall clock; from_ns is 0 before it begins */
    uint64_t deliveries, breaks, snapshots, message_bytes, wire_bytes;
    uint32_t *latencies_us; /* of each delivery */
    size_t capacity;
} tally;

extern options given;
extern tally heard;

uint64_t now_ns(int clock);
void *grown(void *memory, size_t bytes);

/* reader.c; epoll events of the loop carry the reader that they are of. */
void begin(reader *r, int index, int loop);
void receive(reader *r, int loop, size_t most);
void leave(reader *r);
void drop(reader *r);
void send_frame(reader *r, int opcode, const void *payload, size_t length);

/* hear.c; each hears every whole message of the data and returns how many bytes that were. */
size_t read_frames(reader *r, const char *data, size_t length);
size_t read_events(reader *r, const char *data, size_t length);
