/* System calls of the program that fail, or at which it is killed, by their number. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

enum syscall_kind {
    CALL_OPEN = 1,  /* open, openat; fopen to write */
    CALL_MAP = 2,   /* mmap of a file */
    CALL_MAKE = 4,  /* mkstemp, mkdir */
    CALL_WRITE = 8, /* write, also by stdio */
    CALL_SYNC = 16, /* fsync */
    CALL_NAME = 32, /* rename, renameat2, link */
    CALL_DROP = 64, /* unlink */
    CALL_SAY = 128, /* what is written to standard error */
    CALL_ALL = 255
};

/* What comes of it: an errno, or one of these. */
enum { CALL_IS_SHORT = -1, CALL_KILLS = -2 };

/** The n-th call (from 1) of the kinds `calls` ends so, with ENOSPC all later ones, too, and with
 *  CALL_IS_SHORT all later ones of write are short. n 0 ends it. Returns what was left of the
 *  countdown. */
long syscalls_fail_at(unsigned calls, int outcome, long n);

#endif
