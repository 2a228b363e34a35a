top_layout.o: userspace/top_layout.c userspace/top_layout.h \
  userspace/top_order.h userspace/top_rows.h userspace/model.h \
  userspace/record.h userspace/hist.h userspace/metrics.h \
  include/pushback_abi.h include/pushback.h userspace/verdict.h \
  userspace/top_text.h

userspace/top_layout.h:

userspace/top_order.h:

userspace/top_rows.h:

userspace/model.h:

userspace/record.h:

userspace/hist.h:

userspace/metrics.h:

include/pushback_abi.h:

include/pushback.h:

userspace/verdict.h:

userspace/top_text.h:
