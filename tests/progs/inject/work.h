/* SPDX-License-Identifier: MIT */
#ifndef WORK_H
#define WORK_H

__attribute__((noinline, noclone)) int work(int message);
__attribute__((noinline, noclone)) int passed_on(int message);

#endif /* WORK_H */
