top_merge.o: userspace/top_merge.c userspace/top_merge.h \
  userspace/top_rows.h userspace/model.h userspace/record.h \
  userspace/hist.h userspace/metrics.h include/pushback_abi.h \
  include/pushback.h userspace/verdict.h userspace/top_agree.h

userspace/top_merge.h:

userspace/top_rows.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:

userspace/verdict.h:

userspace/top_agree.h:
