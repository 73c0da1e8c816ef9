/* SPDX-License-Identifier: GPL-3.0-or-later
 * Copyright: (c) 2026, the mlops.mlflow contributors
 *
 * The first process of each pod: it holds the namespaces, takes in what others leave behind, and ends when it is told to. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t signals;
    int told;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    do {
        sigwait(&signals, &told);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    } while (told == SIGCHLD);
    return 0;
}
