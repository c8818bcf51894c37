/// The keeper uses no heap and throws nothing. Inline functions of shared headers that would are never called, but they
/// are compiled, and would bring the allocator's emergency pool and the unwinder into the program: 100 KiB and a
/// start-up allocation. Here they lead to a trap instead, which also proves the rule.
#include <cstddef>
#include <new>

void* operator new(std::size_t) { __builtin_trap(); }
void operator delete(void*) noexcept { __builtin_trap(); }
void operator delete(void*, std::size_t) noexcept { __builtin_trap(); }

namespace std {
[[noreturn]] void __throw_logic_error(const char*) { __builtin_trap(); }
}  // namespace std
