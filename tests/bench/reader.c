/* One reader of load: it connects, asks, and reads. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS 20000 /* connections from one source address; it has some 28,000 ports */

void drop(reader *r)
{
    close(r->fd); /* which takes it out of the epoll set */
    free(r->rest);
    r->rest = NULL;
    r->length = r->capacity = 0;
}

void leave(reader *r)
{
    *(r->state == CONNECTING ? &heard.failed : &heard.closed) += 1;
    drop(r);
    r->state = GONE;
}

/* A client's frame is masked; with zeros, that is as it was. */
void send_frame(reader *r, int opcode, const void *payload, size_t length)
{
    uint8_t frame[6 + 125] = {0x80 | opcode, 0x80 | length};
    if (length > 125)
        return;
    memcpy(frame + 6, payload, length);
    if (send(r->fd, frame, 6 + length, MSG_NOSIGNAL) < 0)
        leave(r);
}

static void ask(reader *r)
{
    char request[8192], where[1024];
    const char *mark = strstr(given.path, "%d");
    int size = mark ? snprintf(where, sizeof where, "%.*s%d%s", (int)(mark - given.path), given.path, r->view, mark + 2)
                    : snprintf(where, sizeof where, "%s", given.path);
    if (given.storm && heard.from_ns && size < (int)sizeof where)
        snprintf(where + size, sizeof where - size, "%csince=%s", strchr(where, '?') ? '&' : '?',
                 given.alien ? given.alien : r->cursor);
    size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n", where, given.port,
                    given.is_sse ? "Accept: text/event-stream\r\n"
                                 : "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                    given.headers);
    if (send(r->fd, request, size, MSG_NOSIGNAL) < 0)
        leave(r);
}

void begin(reader *r, int index, int loop)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(given.port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / PER_ADDRESS);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r->view = index % given.views;
    r->appetite = index < given.stalled ? STALLED : index < given.stalled + given.paced ? PACED : EAGER;
    r->state = CONNECTING;
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (r->fd < 0) {
        perror("load: socket");
        exit(1);
    }
    if (r->appetite != EAGER) /* little hides in this kernel, so the server's side has to hold it */
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
    if ((index >= PER_ADDRESS && bind(r->fd, (void *)&here, sizeof here)) ||
        connect(r->fd, (void *)&there, sizeof there)) {
        leave(r);
        return;
    }
    fcntl(r->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = r};
    epoll_ctl(loop, EPOLL_CTL_ADD, r->fd, &event);
    ask(r);
}

/* The answer to the request: how many bytes it was, 0 while it is not whole. */
static size_t read_answer(reader *r, int loop, const char *data, size_t length)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (strtol(data + strcspn(data, " "), NULL, 10) != (given.is_sse ? 200 : 101)) {
        if (!heard.failed)
            fprintf(stderr, "load: refused: %.*s\n", (int)(end - data), data);
        leave(r);
        return 0;
    }
    r->state = OPEN;
    heard.established++;
    if (given.first_frame)
        send_frame(r, 1, given.first_frame, strlen(given.first_frame));
    if (r->appetite != EAGER && r->state == OPEN) { /* from now on epoll tells its end only */
        struct epoll_event event = {.events = 0, .data.ptr = r};
        epoll_ctl(loop, EPOLL_CTL_MOD, r->fd, &event);
    }
    return end + 4 - data;
}

void receive(reader *r, int loop, size_t most)
{
    static char buffer[1 << 18];
    ssize_t got = recv(r->fd, buffer, most < sizeof buffer - 1 ? most : sizeof buffer - 1, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            leave(r);
        return;
    }
    r->eaten += got;
    if (heard.from_ns && heard.until_ns == UINT64_MAX)
        heard.wire_bytes += got;
    char *data = buffer;
    size_t length = r->length + got, done = 0;
    if (r->length) {
        if (length >= r->capacity)
            r->rest = grown(r->rest, r->capacity = 2 * length);
        memcpy(r->rest + r->length, buffer, got);
        data = r->rest;
    }
    data[length] = 0;
    if (r->state == CONNECTING)
        done = read_answer(r, loop, data, length);
    if (r->state == OPEN)
        done += (given.is_sse ? read_events : read_frames)(r, data + done, length - done);
    if (r->state == GONE)
        return;
    r->length = length - done;
    if (!r->length) {
        free(r->rest);
        r->rest = NULL;
        r->capacity = 0;
        return;
    }
    if (r->length >= r->capacity) /* only where the data is in the buffer */
        r->rest = grown(r->rest, r->capacity = r->length + 1);
    memmove(r->rest, data + done, r->length);
}
