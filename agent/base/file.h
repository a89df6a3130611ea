/* SPDX-License-Identifier: Apache-2.0
 * Files of a folder that belongs to a service's own user. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/* What root makes in a folder of somebody else belongs to that user, as it would if that user had made it: else `sudo oodd fit` and
 * the like leave behind what the agent may not read. Nothing happens for other users. 0 or -errno. */
int file_give(int fd, const char *folder);

#endif
