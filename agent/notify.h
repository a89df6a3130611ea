/* SPDX-License-Identifier: Apache-2.0
 * Words to the service manager that started the agent (sd_notify(3)): it is up, it reloads, it ends, it is alive. The protocol is a
 * datagram of lines to the socket in $NOTIFY_SOCKET, a stable interface that needs no library. Nobody listening is no error. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

void notify_ready(const char *status); /* up, also after a reload; status: one line for `systemctl status` */
void notify_reloading(void);
void notify_stopping(void);
/* How often at least it wants to hear notify_alive, in ms: half of what $WATCHDOG_USEC allows; 0: not at all. */
uint64_t notify_alive_ms(void);
void notify_alive(void);

#endif
