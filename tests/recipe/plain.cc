/* SPDX-License-Identifier: MIT */
/*
 * plain.cc - as plain.c, of virtual methods; a bad message is an exception that passes through all steps
 *
 *	plain SEED MESSAGES
 */
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "plain.h"

namespace ingest
{

enum class Answer : uint8_t { taken = 7, full = 9 };

struct Message {
	uint32_t kind;
};

class Step
{
public:
	virtual ~Step() = default;
	virtual Answer submit(const Message &m) = 0;
	virtual bool poll() = 0;
	plain_truth truth{};
};

class Write final : public Step
{
public:
	Answer submit(const Message &m) override
	{
		if (m.kind == 13)
			throw std::invalid_argument("13");
		if (queued_ >= 8) {
			plain_submitted(&truth, PLAIN_REJECTED);
			return Answer::full;
		}
		queued_++;
		plain_submitted(&truth, PLAIN_ACCEPTED);
		return Answer::taken;
	}
	bool poll() override
	{
		queued_ -= queued_ > 3 ? 3 : queued_;
		plain_ready(&truth, queued_ < 8);
		return queued_ < 8;
	}

private:
	int queued_ = 0;
};

template <typename Next>
class Batch final : public Step
{
public:
	explicit Batch(Next &next) : next_(next)
	{
	}
	Answer submit(const Message &m) override
	{
		auto answer = next_.submit(m);
		auto full = answer == Answer::full;

		/* Something behind the call, so that it is none that ends in a jump. */
		plain_forwarded(&truth, full ? PLAIN_REJECTED : PLAIN_ACCEPTED);
		plain_submitted(&truth, full ? PLAIN_PROPAGATED : PLAIN_ACCEPTED);
		return answer;
	}
	bool poll() override
	{
		bool ready = next_.poll();

		/* As above: it knows nothing of its own to be ready for. */
		polled_ += ready;
		return false;
	}

private:
	Step &next_;
	uint64_t polled_ = 0;
};

class Parse final : public Step
{
public:
	explicit Parse(Step &next) : next_(next)
	{
	}
	Answer submit(const Message &m) override
	{
		if (carried_) {
			plain_submitted(&truth, PLAIN_REJECTED);
			return Answer::full;
		}
		if (forward(m) == Answer::full)
			carried_ = std::make_unique<Message>(m);
		plain_submitted(&truth, PLAIN_ACCEPTED);
		return Answer::taken;
	}
	bool poll() override
	{
		next_.poll();
		if (carried_ && forward(*carried_) == Answer::taken)
			carried_.reset();
		plain_ready(&truth, !carried_);
		return !carried_;
	}

private:
	Answer forward(const Message &m)
	{
		auto answer = next_.submit(m);

		plain_forwarded(&truth, answer == Answer::full ? PLAIN_PROPAGATED : PLAIN_ACCEPTED);
		return answer;
	}
	Step &next_;
	std::unique_ptr<Message> carried_;
};

} // namespace ingest

int main(int argc, char **argv)
{
	uint64_t seed = std::strtoull(argc > 1 ? argv[1] : "1", nullptr, 0);
	uint64_t messages = std::strtoull(argc > 2 ? argv[2] : "1000", nullptr, 0);
	auto write = std::make_unique<ingest::Write>();
	auto batch = std::make_unique<ingest::Batch<ingest::Step>>(*write);
	auto parse = std::make_unique<ingest::Parse>(*batch);
	/* The compiler must not know which one it is: a call that it inlines has no place to be probed. */
	ingest::Step *volatile first = parse.get();
	uint64_t caught = 0;

	for (uint64_t i = 0; i < messages; i++) {
		try {
			first->submit({ plain_roll(&seed, 14) });
		} catch (const std::invalid_argument &) {
			caught++;
		}
		if (plain_roll(&seed, 6) == 0)
			first->poll();
	}
	std::fprintf(stderr, "caught %llu\n", static_cast<unsigned long long>(caught));
	plain_ended(&parse->truth);
	plain_ended(&batch->truth);
	plain_ended(&write->truth);
	plain_print("Parse", &parse->truth);
	plain_print("Batch", &batch->truth);
	plain_print("Write", &write->truth);
	return 0;
}
