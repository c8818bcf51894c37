// Compiles Boost.JSON's sources here; its parser is all that is used (json_reader.cpp).
#include <boost/json/src.hpp>
