/* libFuzzer has no place for notes. */
#include "fuzz.h"

void fuzz_note(const char *what)
{
    (void)what;
}
