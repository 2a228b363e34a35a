model_judge.o: userspace/model_judge.c userspace/model_internal.h \
  userspace/model.h userspace/record.h userspace/hist.h \
  userspace/metrics.h include/pushback_abi.h include/pushback.h

userspace/model_internal.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:
