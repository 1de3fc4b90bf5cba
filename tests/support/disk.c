/* A disk that hangs or fails, for one process: preloaded before the C library (ld.so(8), LD_PRELOAD).

   HANGING_DISK names a file. While it is there, each fsync and fdatasync appends a dot to it, and waits until the dot is
   overwritten or the file gone. FAILING_DISK names a file. While it is there, every attempt to create or change a file below the folder
   FAILING_FOLDER fails with the errno that it says. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The number in the file that FAILING_DISK names; 0 without the file. */
static int failure(void)
{
    const char *path = getenv("FAILING_DISK");
    char text[16] = "";
    int file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    if (syscall(SYS_pread64, file, text, sizeof text - 1, 0L) < 0)
        text[0] = 0;
    syscall(SYS_close, file);
    return atoi(text);
}

static void hang(void)
{
    const char *path = getenv("HANGING_DISK");
    char dot = '.';
    int file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_APPEND | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    if (syscall(SYS_write, file, &dot, 1L) != 1)
        abort();
    off_t mine = lseek(file, 0, SEEK_CUR) - 1;
    while (dot == '.' && access(path, F_OK) == 0) {
        usleep(1000);
        if (syscall(SYS_pread64, file, &dot, 1L, mine) != 1)
            abort();
    }
    syscall(SYS_close, file);
}

static int fails(const char *path)
{
    const char *folder = getenv("FAILING_FOLDER");
    return folder && path[0] == '/' && strncmp(path, folder, strlen(folder)) == 0 ? failure() : 0;
}

static int file_fails(int file)
{
    char link[32], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 ? fails(path) : 0;
}

static int synced(long call, int file)
{
    int error = file_fails(file);
    if (error) {
        errno = error;
        return -1;
    }
    hang();
    return syscall(call, file);
}

int fsync(int file)
{
    return synced(SYS_fsync, file);
}

int fdatasync(int file)
{
    return synced(SYS_fdatasync, file);
}

static int opened(int folder, const char *path, int flags, mode_t mode)
{
    int error = flags & (O_WRONLY | O_RDWR | O_CREAT) ? fails(path) : 0;
    if (error) {
        errno = error;
        return -1;
    }
    return syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE(flags)                                       \
    mode_t mode = 0;                                      \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode = va_arg(more, mode_t);                      \
        va_end(more);                                     \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE(flags)
    return opened(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE(flags)
    return opened(folder, path, flags, mode);
}

#define FAIL_IF_IT_FAILS(file)    \
    int error = file_fails(file); \
    if (error) {                  \
        errno = error;            \
        return -1;                \
    }

ssize_t write(int file, const void *bytes, size_t size)
{
    FAIL_IF_IT_FAILS(file)
    return syscall(SYS_write, file, bytes, size);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at)
{
    FAIL_IF_IT_FAILS(file)
    return syscall(SYS_pwrite64, file, bytes, size, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at)
{
    FAIL_IF_IT_FAILS(file)
    return syscall(SYS_pwrite64, file, bytes, size, at);
}

int ftruncate(int file, off_t size)
{
    FAIL_IF_IT_FAILS(file)
    return syscall(SYS_ftruncate, file, size);
}

int ftruncate64(int file, off64_t size)
{
    FAIL_IF_IT_FAILS(file)
    return syscall(SYS_ftruncate, file, size);
}
