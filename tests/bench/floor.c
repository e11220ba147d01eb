/* floor: the least that telling everyone can cost on this kernel.
 *
 *   cc -O2 -Wall -Wextra -o floor floor.c
 *   floor PORT TICKS_PER_SECOND MESSAGE_BYTES
 *
 * Takes WebSocket upgrades, and at each tick send()s one prepared frame to every connection: one system call a delivery and
 * nothing else. It keeps no state of its readers, so one that does not read misses what its socket's buffer cannot take.
 * A server's CPU time a delivery is told as a multiple of this one's in the same run: that ratio, unlike microseconds, says
 * the same on another machine.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000l
#define MOST_READERS 65536
#define HEADER 4 /* of a frame of 126 to 65,535 bytes */

/* The accept key is that of load's fixed Sec-WebSocket-Key; other clients would not take it. */
static const char welcome[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int readers[MOST_READERS], count; /* file descriptors of those who have asked */
static int place[MOST_READERS];          /* by file descriptor: 1 + where it is in readers; 0 before it has asked */

static void watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event)) {
        perror("floor: epoll");
        exit(1);
    }
}

static int listen_on(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 4096)) {
        perror("floor: listen");
        exit(1);
    }
    return listener;
}

static int ticking(double hz)
{
    long every = SECOND / hz;
    struct timespec interval = {every / SECOND, every % SECOND};
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(timer, 0, &(struct itimerspec){interval, interval}, NULL);
    return timer;
}

static void welcome_next(int loop, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_READERS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        watch(loop, fd);
    }
}

/* A request is taken to come whole, since load sends it so; what a reader says later is of no interest. */
static void hear(int fd)
{
    char request[4096];
    if (recv(fd, request, sizeof request, 0) > 0) {
        if (!place[fd] && send(fd, welcome, sizeof welcome - 1, MSG_NOSIGNAL) > 0) {
            readers[count++] = fd;
            place[fd] = count;
        }
        return;
    }
    if (place[fd]) {
        int last = readers[--count];
        readers[place[fd] - 1] = last;
        place[last] = place[fd];
        place[fd] = 0;
    }
    close(fd);
}

static void tell_everyone(int size)
{
    static char frame[HEADER + 65536];
    static uint64_t seq;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(frame, (uint8_t[]){0x81, 126, size >> 8, size}, HEADER);
    memset(frame + HEADER, 'x', size);
    int length = sprintf(frame + HEADER, "{\"sent_ns\":%ld,\"seq\":%lu,\"x\":\"", now.tv_sec * SECOND + now.tv_nsec,
                         (unsigned long)++seq);
    frame[HEADER + length] = 'x'; /* over sprintf's final zero */
    memcpy(frame + HEADER + size - 2, "\"}", 2);
    for (int i = 0; i < count; i++)
        send(readers[i], frame, HEADER + size, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
    int size = argc == 4 ? atoi(argv[3]) : 0;
    if (size < 126 || size > 65535) {
        fprintf(stderr, "floor PORT TICKS_PER_SECOND MESSAGE_BYTES (126 to 65535)\n");
        return 2;
    }
    int loop = epoll_create1(0), listener = listen_on(atoi(argv[1])), timer = ticking(atof(argv[2]));
    watch(loop, listener);
    watch(loop, timer);
    for (;;) {
        struct epoll_event events[512];
        int ready = epoll_wait(loop, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            uint64_t ticks;
            if (fd == listener)
                welcome_next(loop, listener);
            else if (fd != timer)
                hear(fd);
            else if (read(timer, &ticks, sizeof ticks) > 0)
                tell_everyone(size);
        }
    }
}
