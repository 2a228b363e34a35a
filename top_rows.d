top_rows.o: userspace/top_rows.c userspace/top_rows.h userspace/model.h \
  userspace/record.h userspace/hist.h userspace/metrics.h \
  include/pushback_abi.h include/pushback.h userspace/verdict.h

userspace/top_rows.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:

userspace/verdict.h:
