/* SPDX-License-Identifier: MIT */
/*
 * pushback.hpp - backpressure probes for stream consumers in C++
 *
 * C++11 and later, with or without exceptions and RTTI. Nothing but pushback.h beneath it, which has
 * to lie beside it: the probes, the struct and what observers see are the same. Read its manual for
 * what the outcomes mean. Copy both files into your project.
 *
 * HOW TO USE IT
 *
 *	#include <pushback.hpp>
 *
 *	class transform {
 *		pushback::step step_{ "transform" };
 *
 *	public:
 *		bool submit(message &m)
 *		{
 *			pushback::submit_guard submit(step_);
 *			if (carried_)
 *				return submit.report(pushback::rejected);
 *			if (!hand_on(m))
 *				carried_ = &m;
 *			return submit.report(pushback::accepted);
 *		}
 *		void poll()
 *		{
 *			pushback::poll_guard poll(step_);
 *			if (carried_ && hand_on(*carried_))
 *				carried_ = nullptr;
 *			poll.ready(!carried_);
 *		}
 *
 *	private:
 *		bool hand_on(message &m)
 *		{
 *			pushback::forward_guard forward(step_);
 *			return forward.report(next_.submit(m) ? pushback::accepted
 *							      : pushback::rejected);
 *		}
 *	};
 *
 *   A refusal that is an exception leaves through the guard:
 *
 *		pushback::forward_guard forward(step_);
 *		try {
 *			next_.submit(m);
 *			forward.report(pushback::accepted);
 *		} catch (const message_rejected &) {
 *			forward.report(pushback::rejected);
 *			throw;
 *		}
 *
 * THE CLASSES
 *
 *   step           A step of that name. Its destructor ends it: what is open is abandoned. The calls
 *                  of pushback.h are its members.
 *   submit_guard   From the beginning of submit to its end: marks that a thread is inside, and tells
 *                  how it returned.
 *   forward_guard  Around the next step's submit: tells how that returned.
 *   poll_guard     From the beginning of poll to its end: the mark, and whether the step could accept
 *                  a message now.
 *
 *   A guard tells in its destructor, however the scope is left, what was reported last: after an
 *   exception, too. If nothing was, submit_guard and forward_guard tell INVALID, which says nothing
 *   about backpressure, and poll_guard tells "not ready", which ends nothing. report() and ready()
 *   return whether it was accepted and what they were given, so that they can stand in a return. A
 *   guard must not outlive its step: leave the scope before the object that holds the step goes.
 *
 *   Nothing here throws, allocates, or locks.
 *
 * OWNERSHIP AND THREADS
 *
 *   A step owns its struct. It can be neither copied nor moved, since it is read from outside at its
 *   address; to move the object around it, hold the step in a std::unique_ptr. It aligns itself, so
 *   that it may lie anywhere: plain `new` of whatever holds it will do before C++17, too. Threads: as
 *   with the struct, one at a time. A step of static storage ends when static objects do; what runs
 *   later still may call it.
 */
#ifndef PUSHBACK_HPP
#define PUSHBACK_HPP

#include <new>

#include "pushback.h"

namespace pushback
{

using outcome = ::pushback_outcome;

constexpr outcome accepted = ::PUSHBACK_ACCEPTED;
constexpr outcome rejected = ::PUSHBACK_REJECTED;
constexpr outcome propagated = ::PUSHBACK_PROPAGATED;
constexpr outcome invalid = ::PUSHBACK_INVALID;

/* Inline whatever the compiler thinks of its size: nobody watching, a call is one test. */
#define PUSHBACK_HPP_INLINE [[gnu::always_inline]] inline

class step
{
public:
	/* `name` is copied; 127 bytes of it are kept. */
	explicit step(const char *name) noexcept
	{
		::pushback_step_init(::new (place())::pushback_step, name);
	}
	~step()
	{
		end();
		/* Read from outside: the last stores are no dead ones. */
		__asm__ volatile("" : : "r"(room_) : "memory");
	}
	step(const step &) = delete;
	step &operator=(const step &) = delete;

	PUSHBACK_HPP_INLINE void submit_return(outcome how) noexcept
	{
		::pushback_submit_return(native_handle(), how);
	}
	PUSHBACK_HPP_INLINE void forward_return(outcome how) noexcept
	{
		::pushback_forward_return(native_handle(), how);
	}
	PUSHBACK_HPP_INLINE void poll_return(bool ready) noexcept
	{
		::pushback_poll_return(native_handle(), ready);
	}
	PUSHBACK_HPP_INLINE void submit_enter() noexcept
	{
		::pushback_submit_enter(native_handle());
	}
	PUSHBACK_HPP_INLINE void poll_enter() noexcept
	{
		::pushback_poll_enter(native_handle());
	}
	/* Its queue holds `n` messages, of `capacity` (0: unknown). */
	void depth(uint64_t n, uint64_t capacity = 0) noexcept
	{
		::pushback_depth(native_handle(), n, capacity);
	}
	/* Earlier than the destructor; what returns afterwards is a new instance of the same name. */
	void end() noexcept
	{
		::pushback_step_end(native_handle());
	}

	/* For the calls of pushback.h. The step still owns it. */
	::pushback_step *native_handle() noexcept
	{
		return static_cast<::pushback_step *>(place());
	}

private:
	static constexpr uintptr_t align = alignof(::pushback_step);

	/* Before C++17 `new` does not know of alignments like the struct's. */
	void *place() noexcept
	{
		const uintptr_t begin = reinterpret_cast<uintptr_t>(room_);

		return room_ + ((align - begin % align) % align);
	}

	unsigned char room_[sizeof(::pushback_step) + alignof(::pushback_step) - 1];
};

/* Of the two guards that report an outcome. */
class outcome_guard
{
public:
	outcome_guard(const outcome_guard &) = delete;
	outcome_guard &operator=(const outcome_guard &) = delete;

	bool report(outcome how) noexcept
	{
		how_ = how;
		return how == accepted;
	}

protected:
	explicit outcome_guard(step &of) noexcept : step_(of)
	{
	}
	~outcome_guard() = default;

	step &step_;
	outcome how_ = invalid;
};

class submit_guard : public outcome_guard
{
public:
	explicit submit_guard(step &of) noexcept : outcome_guard(of)
	{
		step_.submit_enter();
	}
	~submit_guard()
	{
		step_.submit_return(how_);
	}
};

class forward_guard : public outcome_guard
{
public:
	explicit forward_guard(step &of) noexcept : outcome_guard(of)
	{
	}
	~forward_guard()
	{
		step_.forward_return(how_);
	}
};

class poll_guard
{
public:
	explicit poll_guard(step &of) noexcept : step_(of)
	{
		step_.poll_enter();
	}
	~poll_guard()
	{
		step_.poll_return(ready_);
	}
	poll_guard(const poll_guard &) = delete;
	poll_guard &operator=(const poll_guard &) = delete;

	bool ready(bool now) noexcept
	{
		ready_ = now;
		return now;
	}

private:
	step &step_;
	bool ready_ = false;
};

#undef PUSHBACK_HPP_INLINE

} /* namespace pushback */

#endif /* PUSHBACK_HPP */
