/* delay RTT_US NETNS_A NETNS_B: a network cable with a length, for kernels without netem.
 *
 * Makes a TAP `tapa` in the network namespace NETNS_A and `tapb` in NETNS_B (paths below /run/netns) and
 * carries frames between them, each held for half of RTT_US microseconds. Prints "ready" and runs until
 * it is killed. Frames that find the queue full are dropped, as a router would.
 *
 * cc -O2 -pthread -o delay delay.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX 1600
#define QUEUE_FRAMES_MAX 16384

struct frame {
    long long due_us;
    ssize_t bytes;
    unsigned char body[FRAME_BYTES_MAX];
};

struct direction {
    int from, to;
    struct frame *queue;
    volatile unsigned head, tail;
    pthread_mutex_t lock;
    pthread_cond_t filled;
};

static long half_us;

static int open_tap(const char *namespace, const char *name)
{
    int fd = open(namespace, O_RDONLY);
    if (fd < 0 || setns(fd, CLONE_NEWNET)) {
        perror(namespace);
        exit(1);
    }
    close(fd);
    int tap = open("/dev/net/tun", O_RDWR);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request)) {
        perror(name);
        exit(1);
    }
    return tap;
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void *receive(void *argument)
{
    struct direction *d = argument;
    for (;;) {
        struct frame *frame = &d->queue[d->head % QUEUE_FRAMES_MAX];
        frame->bytes = read(d->from, frame->body, sizeof frame->body);
        if (frame->bytes <= 0 || d->head - d->tail >= QUEUE_FRAMES_MAX - 1)
            continue;
        frame->due_us = now_us() + half_us;
        pthread_mutex_lock(&d->lock);
        d->head++;
        pthread_cond_signal(&d->filled);
        pthread_mutex_unlock(&d->lock);
    }
}

static void *deliver(void *argument)
{
    struct direction *d = argument;
    for (;;) {
        pthread_mutex_lock(&d->lock);
        while (d->head == d->tail)
            pthread_cond_wait(&d->filled, &d->lock);
        pthread_mutex_unlock(&d->lock);
        struct frame *frame = &d->queue[d->tail % QUEUE_FRAMES_MAX];
        struct timespec due = {frame->due_us / 1000000, (frame->due_us % 1000000) * 1000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        if (write(d->to, frame->body, frame->bytes) < 0) { /* a link that is down loses frames */
        }
        d->tail++;
    }
}

int main(int count, char **words)
{
    if (count != 4) {
        fprintf(stderr, "usage: delay RTT_US NETNS_A NETNS_B\n");
        return 2;
    }
    half_us = atol(words[1]) / 2;
    int a = open_tap(words[2], "tapa"), b = open_tap(words[3], "tapb");
    struct direction directions[2] = {{a, b}, {b, a}};
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        directions[i].queue = malloc(sizeof(struct frame) * QUEUE_FRAMES_MAX);
        pthread_mutex_init(&directions[i].lock, NULL);
        pthread_cond_init(&directions[i].filled, NULL);
        pthread_create(&thread, NULL, receive, &directions[i]);
        pthread_create(&thread, NULL, deliver, &directions[i]);
    }
    puts("ready");
    fflush(stdout);
    pause();
}
