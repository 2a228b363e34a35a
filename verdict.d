verdict.o: userspace/verdict.c userspace/verdict.h userspace/model.h \
  userspace/record.h userspace/hist.h userspace/metrics.h \
  include/pushback_abi.h include/pushback.h userspace/text.h \
  userspace/top_text.h

userspace/verdict.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:

userspace/text.h:

userspace/top_text.h:
