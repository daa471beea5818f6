// A mock upstream for benchmarks: an OpenAI-shaped chat server that costs next to nothing, on 127.0.0.1 only.
//
//   upstream PORT [--delay-ms D] [--gap-ms G] [--deltas N] [--fault-per-mille F]
//
// Every POST is answered with a chat completion, or, when its body asks for a stream, with N content deltas (20), a
// finish chunk, the usage if it is asked for, and [DONE]. D: wait before the first byte. G: wait between two events; 0
// sends the whole stream in one write. A request may set its own gap: {"metadata": {"gap_ms": "1"}}.
// F: so many of a thousand POSTs end badly instead, one way after the other: 500, 429 with retry-after, closed without an
// answer, closed in the middle of it, not JSON, no answer at all, and a wrong content type.
// GET is answered with an empty model list. One thread, epoll, keep-alive; no TLS, no chunked requests (411).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 4096, MAX_REQUEST = 16 << 20, EVENTS = 256, OUT_BYTES = 256 << 10 };

typedef struct {
    int fd;
    char *in;          // bytes read and not yet answered
    size_t used, room; // of `in`
    int pieces;        // pieces of the running answer, 0 = none runs
    int piece;         // the next one to send
    int streams, reports_usage;
    uint64_t due_ns, gap_ns;
} Conn;

static Conn *conns[MAX_FD];
static int epoll_fd, running; // running: answers that wait for their time
static int delay_ms = 0, gap_ms = 0, deltas = 20, fault_per_mille = 0;
static char out[OUT_BYTES];
static size_t out_used;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void hang_up(Conn *c) {
    if (c->pieces) running--;
    close(c->fd);
    conns[c->fd] = NULL;
    free(c->in);
    free(c);
}

static void add(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out + out_used, OUT_BYTES - out_used, format, args);
    va_end(args);
    if (n < 0 || out_used + (size_t)n >= OUT_BYTES) { fprintf(stderr, "upstream: answer too long\n"); exit(1); }
    out_used += (size_t)n;
}

static void flush_to(int fd) { // a client that is gone is noticed when it is read from
    for (size_t at = 0; at < out_used;) {
        ssize_t n = send(fd, out + at, out_used - at, MSG_NOSIGNAL);
        if (n > 0) at += (size_t)n;
        else if (n < 0 && errno == EAGAIN) poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
        else break;
    }
    out_used = 0;
}

static void add_head(int status, const char *kind, long length) {
    add("HTTP/1.1 %d %s\r\ncontent-type: %s\r\nx-request-id: req_bench\r\n", status, status == 200 ? "OK" : "No", kind);
    if (length >= 0) add("content-length: %ld\r\n\r\n", length);
    else add("transfer-encoding: chunked\r\n\r\n");
}

static void add_plain(int status, const char *body) {
    add_head(status, "application/json", (long)strlen(body));
    add("%s", body);
}

static void add_completion(void) {
    char body[2048];
    int n = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1750000000,\"model\":\"bench-model\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A sharing ratio of four lets four "
        "workloads take turns on one physical GPU, each with its own memory.\",\"refusal\":null,\"annotations\":[]},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":%d,"
        "\"total_tokens\":%d},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}", deltas, 31 + deltas);
    if (n > 0) add_plain(200, body);
}

// One event of a stream as one HTTP chunk.
static void add_event(Conn *c, const char *choices, const char *usage) {
    char event[1024];
    int n = snprintf(event, sizeof event,
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":"
        "\"bench-model\",\"system_fingerprint\":\"fp_bench\",\"choices\":[%s]%s}\n\n", choices,
        c->reports_usage ? usage : "");
    add("%x\r\n%s\r\n", n, event);
}

static void add_piece(Conn *c, int piece) {
    char choice[256], usage[128];
    if (piece == 0) add_head(200, "text/event-stream; charset=utf-8", -1);
    if (piece < deltas) {
        snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{%s\"content\":\"word%d \"},\"logprobs\":null,"
            "\"finish_reason\":null}", piece ? "" : "\"role\":\"assistant\",", piece);
        add_event(c, choice, ",\"usage\":null");
    } else if (piece == deltas) {
        add_event(c, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", ",\"usage\":null");
    } else {
        snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":%d,\"total_tokens\":%d}",
            deltas, 31 + deltas);
        if (c->reports_usage) add_event(c, "", usage);
        add("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    }
}

static void send_due(Conn *c, uint64_t now) {
    if (!c->streams) {
        add_completion();
        c->piece = c->pieces;
    }
    while (c->piece < c->pieces && now >= c->due_ns) {
        add_piece(c, c->piece++);
        c->due_ns += c->gap_ns;
    }
    flush_to(c->fd);
    if (c->piece == c->pieces) {
        c->pieces = 0;
        running--;
    }
}

static int asks_for(const char *body, const char *key) { // is `"key": true` a member of it?
    const char *at = strstr(body, key);
    if (!at) return 0;
    at += strlen(key);
    return strncmp(at + strspn(at, " \t\r\n:"), "true", 4) == 0;
}

enum { FAULTS = 7 };

// Whether this POST ends badly; then what there is to say of it is said. *ends: the connection has to end, too.
static int plays_fault(Conn *c, int streams, int *ends) {
    static unsigned long posts, faults;
    // Of every thousand the same ones, evenly spread: a run can be repeated.
    if ((posts++ * (unsigned long)fault_per_mille) % 1000 >= (unsigned long)fault_per_mille) return 0;
    switch (faults++ % FAULTS) {
    case 0: add_plain(500, "{\"error\":{\"message\":\"it broke\",\"type\":\"server_error\"}}"); break;
    case 1: add("HTTP/1.1 429 No\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"); break;
    case 2: *ends = 1; break;
    case 3:
        *ends = 1;
        if (streams) {
            add_piece(c, 0);
            add_piece(c, 1);
        } else add("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"id\":");
        break;
    case 4:
        if (streams) {
            add_piece(c, 0);
            add("10\r\ndata: {\"id\":\"c\n\n\r\n0\r\n\r\n");
        } else add_plain(200, "{\"id\":");
        break;
    case 5: break; // nothing, until the other side gives up
    case 6: add("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"); break;
    }
    flush_to(c->fd);
    return 1;
}

static int begin_answer(Conn *c, const char *body) {
    c->streams = asks_for(body, "\"stream\"");
    c->reports_usage = asks_for(body, "\"include_usage\"");
    int ends = 0;
    if (fault_per_mille && plays_fault(c, c->streams, &ends)) return !ends;
    c->pieces = c->streams ? deltas + 2 : 1;
    c->piece = 0;
    const char *own = strstr(body, "\"gap_ms\"");
    int gap = own ? atoi(own + 8 + strspn(own + 8, " :\"")) : gap_ms;
    c->gap_ns = (uint64_t)(gap > 0 ? gap : 0) * 1000000u;
    c->due_ns = now_ns() + (uint64_t)delay_ms * 1000000u;
    running++;
    if (!delay_ms) send_due(c, c->due_ns);
    return 1;
}

// Answer every complete request in the buffer. Returns 0 if the connection has to end.
static int take_requests(Conn *c) {
    while (!c->pieces) {
        char *end = memmem(c->in, c->used, "\r\n\r\n", 4);
        if (!end) return c->used < MAX_REQUEST;
        *end = 0; // headers become a string
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        int chunked = strcasestr(c->in, "\r\ntransfer-encoding:") != NULL, is_post = strncmp(c->in, "POST ", 5) == 0;
        size_t head = (size_t)(end - c->in) + 4, size = length ? strtoul(length + 17, NULL, 10) : 0;
        *end = '\r';
        if (chunked || size > MAX_REQUEST) {
            add_plain(chunked ? 411 : 413, "{}");
            flush_to(c->fd);
            return 0;
        }
        if (c->used < head + size) return 1;
        char after = c->in[head + size]; // `in` has room for one byte more than was read
        c->in[head + size] = 0;
        int goes_on = 1;
        if (is_post) goes_on = begin_answer(c, c->in + head);
        else { add_plain(200, "{\"object\":\"list\",\"data\":[]}"); flush_to(c->fd); }
        c->in[head + size] = after;
        if (!goes_on) return 0;
        c->used -= head + size;
        memmove(c->in, c->in + head + size, c->used);
    }
    return 1;
}

static void read_from(Conn *c) {
    for (;;) {
        if (c->room - c->used < 4096) {
            c->room = c->room ? 2 * c->room : 8192;
            c->in = realloc(c->in, c->room + 1);
            if (!c->in) exit(1);
        }
        ssize_t n = recv(c->fd, c->in + c->used, c->room - c->used, 0);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) { hang_up(c); return; }
        c->used += (size_t)n;
        if (c->used < c->room) break;
    }
    if (!take_requests(c)) hang_up(c);
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        conns[fd] = calloc(1, sizeof(Conn));
        if (!conns[fd]) exit(1);
        conns[fd]->fd = fd;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    }
}

// Send what is due; returns the milliseconds until something is due again, -1 = nothing waits.
static int pace(void) {
    uint64_t now = now_ns(), next = UINT64_MAX;
    for (int fd = 0; running && fd < MAX_FD; fd++) {
        Conn *c = conns[fd];
        if (!c || !c->pieces) continue;
        if (c->due_ns <= now) send_due(c, now);
        if (!c->pieces && c->used && !take_requests(c)) { hang_up(c); continue; }
        if (c->pieces && c->due_ns < next) next = c->due_ns;
    }
    if (!running) return -1;
    now = now_ns();
    return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

int main(int argc, char **argv) {
    if (argc < 2) { fprintf(stderr, "usage: upstream PORT [--delay-ms D] [--gap-ms G] [--deltas N] [--fault-per-mille F]\n"); return 2; }
    for (int i = 2; i + 1 < argc; i += 2) {
        int value = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--delay-ms")) delay_ms = value;
        else if (!strcmp(argv[i], "--gap-ms")) gap_ms = value;
        else if (!strcmp(argv[i], "--fault-per-mille") && value <= 1000) fault_per_mille = value;
        else if (!strcmp(argv[i], "--deltas") && value > 0 && value <= 500) deltas = value;
        else { fprintf(stderr, "upstream: can't use %s %s\n", argv[i], argv[i + 1]); return 2; }
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
        perror("upstream");
        return 1;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, running ? pace() : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) accept_all(listener);
            else if (conns[events[i].data.fd]) read_from(conns[events[i].data.fd]);
        }
    }
}
