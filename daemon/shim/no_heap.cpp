/// The keeper uses no heap and throws nothing. Inline functions of shared headers that would are never called, but they
/// are compiled, and would bring the allocator's emergency pool and the unwinder into the program: 100 KiB and a
/// start-up allocation. Here they lead to a trap instead, which also proves the rule.
///
/// The C library's own start allocates two KiB. They come from here, in place of a heap of its own with its
/// book-keeping: two pages less in each keeper ("Replacing malloc" in the GNU C Library's manual names these four
/// functions).
#include <cstddef>
#include <new>

void* operator new(std::size_t) { __builtin_trap(); }
void operator delete(void*) noexcept { __builtin_trap(); }
void operator delete(void*, std::size_t) noexcept { __builtin_trap(); }

namespace std {
[[noreturn]] void __throw_logic_error(const char*) { __builtin_trap(); }
}  // namespace std

namespace {

// What was never used costs nothing.
alignas(std::max_align_t) char room[16u << 10];
std::size_t used = 0;

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept {
    constexpr std::size_t alignment = alignof(std::max_align_t);
    if (size > sizeof room - used - alignment) return nullptr;
    void* const at = room + used;
    used += (size + alignment - 1) / alignment * alignment;
    return at;
}

void free(void*) noexcept {}

// Nothing is given out twice, so it is all zeros.
void* calloc(std::size_t count, std::size_t size) noexcept {
    std::size_t bytes = 0;
    return __builtin_mul_overflow(count, size, &bytes) ? nullptr : malloc(bytes);
}

// How large the old one was is not known.
void* realloc(void* before, std::size_t size) noexcept { return before == nullptr ? malloc(size) : nullptr; }

}  // extern "C"
