// A closed-loop HTTP/1.1 load client for benchmarks; it refuses every address but loopback.
//
//   client PORT PATH CONNECTIONS REQUESTS BODY_FILE [--stream] [--seconds S] [--rate R] [--header 'Name: value']...
//
// Each connection is kept alive, sends the POST again as soon as the last answer is complete, and stops when REQUESTS
// have been sent in all, or after S seconds (30). With --rate R no more than R are sent a second, evenly spread. An answer is bad unless its status is 200, its body is not empty and,
// with --stream, its last line is `data: [DONE]`; so is one that was cut off or did not come in time. PORT may be written
// 127.x.y.z:PORT. Prints one JSON line; ttfb counts to the first byte of the body. The first bad answer goes to stderr.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, MAX_REQUESTS = 10000000, MAX_BODY = 16 << 20, HEAD_BYTES = 16384, TAIL_BYTES = 64 };
enum { GRACE_S = 5 }; // how long answers may still arrive once time is up

typedef enum { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER } Part;

typedef struct {
    int fd, busy, status, closes;
    Part part;
    char head[HEAD_BYTES]; // the head, then any line being read
    size_t head_used;
    uint64_t left, body_bytes; // left: of the body or the chunk
    char tail[TAIL_BYTES];     // the body's last bytes
    size_t tail_used;
    uint64_t sent_ns, first_ns;
} Conn;

static struct sockaddr_in address = {.sin_family = AF_INET};
static char *request;
static size_t request_size;
static long wanted, sent, good, bad;
static int must_stream, epoll_fd, stopped;
static uint64_t pace_ns, next_ns; // between two requests, and when the next one may go; 0 = as soon as it can
static Conn *ready[MAX_CONNECTIONS]; // wait for that time
static int ready_count;
static uint64_t *total_ns, *first_ns;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *why) {
    fprintf(stderr, "client: %s%s%s\n", why, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void connect_it(Conn *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("can't connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
}

static void send_next(Conn *c) {
    c->busy = 0;
    if (stopped || sent >= wanted) return;
    if (pace_ns) {
        if (now_ns() < next_ns) {
            ready[ready_count++] = c;
            return;
        }
        next_ns += pace_ns;
    }
    sent++;
    c->busy = 1;
    c->part = HEAD;
    c->head_used = c->tail_used = 0;
    c->status = c->closes = 0;
    c->first_ns = c->body_bytes = 0;
    c->sent_ns = now_ns();
    for (size_t at = 0; at < request_size;) {
        ssize_t n = send(c->fd, request + at, request_size - at, MSG_NOSIGNAL);
        if (n > 0) at += (size_t)n;
        else if (errno == EAGAIN) poll(&(struct pollfd){.fd = c->fd, .events = POLLOUT}, 1, 1000);
        else return; // reading from it tells that it is gone
    }
}

static void note_bad(Conn *c, const char *why) {
    if (!bad++) fprintf(stderr, "client: first bad answer: %s (status %d, body ends %.*s)\n", why, c->status,
                        (int)c->tail_used, c->tail);
}

static int ends_in_done(const Conn *c) {
    static const char done[] = "data: [DONE]";
    size_t n = c->tail_used, want = sizeof done - 1;
    while (n && (c->tail[n - 1] == '\n' || c->tail[n - 1] == '\r')) n--;
    return n >= want && memcmp(c->tail + n - want, done, want) == 0;
}

static void reconnect(Conn *c) {
    close(c->fd);
    connect_it(c);
}

static void complete(Conn *c) {
    if (c->status != 200) note_bad(c, "status");
    else if (!c->body_bytes) note_bad(c, "no body");
    else if (must_stream && !ends_in_done(c)) note_bad(c, "the stream doesn't end in [DONE]");
    else {
        total_ns[good] = now_ns() - c->sent_ns;
        first_ns[good++] = c->first_ns - c->sent_ns;
    }
    if (c->closes) reconnect(c);
    send_next(c);
}

static void keep_tail(Conn *c, const char *data, size_t n) {
    if (!c->body_bytes) c->first_ns = now_ns();
    c->body_bytes += n;
    if (n >= TAIL_BYTES) {
        memcpy(c->tail, data + n - TAIL_BYTES, TAIL_BYTES);
        c->tail_used = TAIL_BYTES;
        return;
    }
    size_t kept = c->tail_used + n > TAIL_BYTES ? TAIL_BYTES - n : c->tail_used;
    memmove(c->tail, c->tail + c->tail_used - kept, kept);
    memcpy(c->tail + kept, data, n);
    c->tail_used = kept + n;
}

// Collect bytes into `head` until `end` is there. Returns how many were taken; *found tells whether it is complete.
static size_t collect(Conn *c, const char *data, size_t n, const char *end, int *found) {
    size_t end_size = strlen(end);
    for (size_t i = 0; i < n; i++) {
        if (c->head_used + 1 >= HEAD_BYTES) die("a head or chunk line is too long");
        c->head[c->head_used++] = data[i];
        if (c->head_used >= end_size && !memcmp(c->head + c->head_used - end_size, end, end_size)) {
            c->head[c->head_used] = 0;
            c->head_used = 0;
            *found = 1;
            return i + 1;
        }
    }
    *found = 0;
    return n;
}

// Returns whether the answer is complete already.
static int read_head(Conn *c) {
    c->status = strncmp(c->head, "HTTP/1.", 7) ? 0 : atoi(c->head + 9);
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->part = CHUNK_SIZE;
    else if (length) {
        c->part = BODY;
        c->left = strtoull(length + 17, NULL, 10);
        return c->left == 0;
    } else die("an answer has neither a length nor chunks");
    return 0;
}

// A head, or a line of the chunked framing, is complete. Returns whether the answer is.
static int take_line(Conn *c) {
    switch (c->part) {
    case HEAD:
        return read_head(c);
    case CHUNK_SIZE:
        c->left = strtoull(c->head, NULL, 16);
        c->part = c->left ? CHUNK_DATA : TRAILER;
        return 0;
    case CHUNK_END:
        c->part = CHUNK_SIZE;
        return 0;
    default:
        return !strcmp(c->head, "\r\n"); // an empty line ends the trailer
    }
}

// Take in what arrived. Returns whether it completed the answer.
static int take(Conn *c, const char *data, size_t n) {
    int found;
    while (n) {
        size_t used = 0;
        if (c->part == BODY || c->part == CHUNK_DATA) {
            used = n < c->left ? n : (size_t)c->left;
            keep_tail(c, data, used);
            c->left -= used;
            if (!c->left && c->part == BODY) return 1;
            if (!c->left) c->part = CHUNK_END;
        } else {
            used = collect(c, data, n, c->part == HEAD ? "\r\n\r\n" : "\r\n", &found);
            if (found && take_line(c)) return 1;
        }
        data += used;
        n -= used;
    }
    return 0;
}

static void read_from(Conn *c) {
    static char data[256 << 10];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
        if (c->busy && take(c, data, (size_t)n)) complete(c);
        return;
    }
    if (c->busy) {
        note_bad(c, "the connection was closed");
        reconnect(c);
        send_next(c);
    } else reconnect(c); // it waits for its time, or for nothing more
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double at_ms(const uint64_t *sorted, double share) {
    return good ? (double)sorted[(long)(share * (double)(good - 1) + 0.5)] / 1e6 : 0;
}

static void build_request(const char *path, const char *body_file, int argc, char **argv) {
    FILE *file = fopen(body_file, "rb");
    char *body = malloc(MAX_BODY), headers[4096] = "";
    if (!file || !body) die("can't read the body file");
    size_t size = fread(body, 1, MAX_BODY, file);
    fclose(file);
    for (int i = 6; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--header") && strlen(headers) + strlen(argv[i + 1]) + 3 < sizeof headers)
            strcat(strcat(headers, argv[i + 1]), "\r\n");
    request = malloc(size + 8192);
    if (!request || strlen(path) > 2048) die("the request is too long");
    int head = sprintf(request, "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
                       "content-length: %zu\r\n%s\r\n", path, ntohs(address.sin_port), size, headers);
    memcpy(request + head, body, size);
    request_size = (size_t)head + size;
    free(body);
}

static void parse_address(const char *text) {
    const char *colon = strchr(text, ':');
    char host[32] = "127.0.0.1";
    if (colon) snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127)
        die("only loopback addresses (127.x.y.z) are allowed");
    address.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text));
}

int main(int argc, char **argv) {
    if (argc < 6) die("usage: client PORT PATH CONNECTIONS REQUESTS BODY_FILE [--stream] [--seconds S] [--rate R] [--header H]");
    signal(SIGPIPE, SIG_IGN);
    parse_address(argv[1]);
    int connections = atoi(argv[3]), seconds = 30;
    wanted = atol(argv[4]);
    for (int i = 6; i < argc; i++) {
        if (!strcmp(argv[i], "--stream")) must_stream = 1;
        if (!strcmp(argv[i], "--rate") && i + 1 < argc && atof(argv[i + 1]) > 0)
            pace_ns = (uint64_t)(1e9 / atof(argv[i + 1]));
        if (!strcmp(argv[i], "--seconds") && i + 1 < argc) seconds = atoi(argv[i + 1]);
    }
    if (connections < 1 || connections > MAX_CONNECTIONS || wanted < 1 || wanted > MAX_REQUESTS || seconds < 1 ||
        seconds > 600)
        die("connections, requests or seconds out of range");
    build_request(argv[2], argv[5], argc, argv);
    total_ns = malloc((size_t)wanted * sizeof *total_ns);
    first_ns = malloc((size_t)wanted * sizeof *first_ns);
    Conn *conns = calloc((size_t)connections, sizeof *conns);
    if (!total_ns || !first_ns || !conns) die("no memory");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) connect_it(&conns[i]);
    uint64_t began = now_ns(), end = began + (uint64_t)seconds * 1000000000u, last = end + GRACE_S * 1000000000ull;
    next_ns = began;
    for (int i = 0; i < connections; i++) send_next(&conns[i]);
    struct epoll_event events[256];
    uint64_t now = began;
    while ((good + bad < sent || (ready_count && !stopped && sent < wanted)) && now < last) {
        int n = epoll_wait(epoll_fd, events, 256, ready_count && !stopped ? 1 : 100);
        for (int i = 0; i < n; i++) read_from(events[i].data.ptr);
        now = now_ns();
        stopped = now >= end;
        while (ready_count && now >= next_ns && !stopped && sent < wanted) send_next(ready[--ready_count]);
    }
    for (int i = 0; i < connections; i++) if (conns[i].busy) note_bad(&conns[i], "no answer in time");
    double took = (double)(now_ns() - began) / 1e9;
    qsort(total_ns, (size_t)good, sizeof *total_ns, by_size);
    qsort(first_ns, (size_t)good, sizeof *first_ns, by_size);
    printf("{\"requests\":%ld,\"bad\":%ld,\"seconds\":%.3f,\"rps\":%.1f,\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,"
           "\"max_ms\":%.4f,\"ttfb_p50_ms\":%.4f}\n", good + bad, bad, took, (double)good / took, at_ms(total_ns, 0.5),
           at_ms(total_ns, 0.9), at_ms(total_ns, 0.99), at_ms(total_ns, 1), at_ms(first_ns, 0.5));
    return 0;
}
