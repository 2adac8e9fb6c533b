/* One durable append after the other into a file of zeros: append_cost LEN HOW ZEROED
 *
 * HOW     map: a store into a mapping, fdatasync     pwrite: pwrite, fdatasync
 *         dsync: pwrite with O_DSYNC                 direct: pwrite with O_DIRECT and O_DSYNC
 * ZEROED  4k: in writes of 4 KiB   1m: of 1 MiB      direct: of 1 MiB past the page cache
 *
 * Prints the time that passes (p50, p99), CPU and device bytes of an append, and the CPU of zeroing 64 MiB. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { FILE_LEN = 64 << 20, STEP = 1 << 20, APPENDS_MAX = 1200 };

static double us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static long device_bytes(void) {
    FILE *io = fopen("/proc/self/io", "r");
    char line[99];
    long bytes = 0;
    while (io && fgets(line, sizeof line, io) && sscanf(line, "write_bytes: %ld", &bytes) != 1) {}
    if (io) fclose(io);
    return bytes;
}

static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "append_cost LEN HOW ZEROED\n"), 64;
    long len = atol(argv[1]);
    char how = argv[2][0], zeroed = argv[3][0];
    char *bytes;
    must(posix_memalign((void **)&bytes, 4096, STEP) == 0, "memory");
    memset(bytes, 0, STEP);
    unlink("appended");
    int file = open("appended", O_RDWR | O_CREAT, 0600);
    must(file >= 0 && fallocate(file, 0, 0, FILE_LEN) == 0, "make the file");
    int zeros = zeroed == 'd' ? open("appended", O_RDWR | O_DIRECT) : file;
    long piece = zeroed == '4' ? 4096 : STEP;
    double cpu = us(CLOCK_PROCESS_CPUTIME_ID);
    for (long at = 0; at < FILE_LEN; at += piece) {
        must(pwrite(zeros, bytes, piece, at) == piece, "zero");
        if ((at + piece) % STEP == 0) must(fdatasync(file) == 0, "sync");
    }
    double zeroing = us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    memset(bytes, 7, STEP);
    int flags = how == 'd' ? O_DSYNC | (argv[2][1] == 'i' ? O_DIRECT : 0) : 0;
    int out = open("appended", O_RDWR | flags);
    char *map = how == 'm' ? mmap(0, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : NULL;
    must(out >= 0 && map != MAP_FAILED, "open");
    long appends = FILE_LEN / len < APPENDS_MAX ? FILE_LEN / len : APPENDS_MAX;
    double took[APPENDS_MAX];
    long device = device_bytes();
    cpu = us(CLOCK_PROCESS_CPUTIME_ID);
    for (long n = 0; n < appends; n++) {
        double start = us(CLOCK_MONOTONIC);
        if (map) memcpy(map + n * len, bytes, len);
        else must(pwrite(out, bytes, len, n * len) == len, "write");
        if (!flags) must(fdatasync(out) == 0, "sync");
        took[n] = us(CLOCK_MONOTONIC) - start;
    }
    cpu = us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    qsort(took, appends, sizeof *took, by_size);
    printf("%6ld bytes %-6s zeroed %-6s p50 %6.1f us  p99 %6.1f us  CPU %6.1f us  device %7.1f KiB  zeroing 64 MiB %5.1f ms CPU\n",
           len, argv[2], argv[3], took[appends / 2], took[appends * 99 / 100], cpu / appends,
           (device_bytes() - device) / 1024.0 / appends, zeroing / 1e3);
    return 0;
}
