/* Lets the n-th write of this process to a regular file fail: with an error, or after half of its bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long countdown = -1;
static int failure = 0; /* an errno, or 0 for a short write followed by ENOSPC */
static int shortened = 0;

void fail_at(long nth, int error) { countdown = nth; failure = error; shortened = 0; }
long left(void) { return countdown; }

static int strikes(int fd, size_t *size) {
    struct stat found;
    if (countdown < 0 || fstat(fd, &found) || !S_ISREG(found.st_mode)) return 0;
    if (shortened) { errno = ENOSPC; return 1; }
    if (countdown-- > 0) return 0;
    if (failure) { errno = failure; countdown = 0; return 1; }
    *size /= 2;
    shortened = 1;
    countdown = 0;
    return 0;
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return strikes(fd, &size) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite");
    return strikes(fd, &size) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return strikes(fd, &size) ? -1 : real(fd, data, size, at);
}
int fsync(int fd) {
    static int (*real)(int);
    size_t none = 0;
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    if (failure == EIO && strikes(fd, &none)) return -1;
    return real(fd);
}
int fdatasync(int fd) {
    static int (*real)(int);
    size_t none = 0;
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    if (failure == EIO && strikes(fd, &none)) return -1;
    return real(fd);
}
