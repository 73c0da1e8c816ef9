/* Copyright: (c) 2026, the mlops.mlflow contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into user-mode Linux: lets it run on processors with large registers (AMX).
 *
 * User-mode Linux sets its processes' floating-point registers in a record whose length dates from before these. The kernel of the host takes whole
 * records only, so the record is handed on in the length that the host has. The registers that are added are zero, their state at the start: nothing
 * in a machine can use them, since its kernel does not grant what a program must ask for first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Not on the stack: a kernel's is small. */
static char whole[65536] __attribute__((aligned(64)));
static size_t length;

long ptrace(enum __ptrace_request request, ...)
{
    static long (*next)(enum __ptrace_request, ...);
    va_list arguments;
    va_start(arguments, request);
    pid_t process = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (!next)
        next = (long (*)(enum __ptrace_request, ...)) dlsym(RTLD_NEXT, "ptrace");
    if (request != PTRACE_SETREGSET || (long) address != NT_X86_XSTATE)
        return next(request, process, address, data);

    const struct iovec *given = data;
    struct iovec record = {whole, sizeof(whole)};
    if (!length) {
        if (next(PTRACE_GETREGSET, process, address, &record) < 0)
            return -1;
        length = record.iov_len;
    }
    if (given->iov_len >= length)
        return next(request, process, address, data);
    memset(whole + given->iov_len, 0, length - given->iov_len);
    memcpy(whole, given->iov_base, given->iov_len);
    record.iov_len = length;
    return next(request, process, address, &record);
}
