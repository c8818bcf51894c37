/// In place of getaddrinfo(3) in a program without shared libraries (libraries.cmake): it knows addresses alone.
#include <netdb.h>

extern "C" int __wrap_getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) { return EAI_FAIL; }
