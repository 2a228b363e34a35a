top_agree.o: userspace/top_agree.c userspace/top_agree.h \
  userspace/top_rows.h userspace/model.h userspace/record.h \
  userspace/hist.h userspace/metrics.h include/pushback_abi.h \
  include/pushback.h userspace/verdict.h userspace/text.h \
  userspace/top_text.h

userspace/top_agree.h:

userspace/top_rows.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:

userspace/verdict.h:

userspace/text.h:

userspace/top_text.h:
