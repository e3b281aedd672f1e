// The table of one instruction set. Compiled once for each.
#include "kernels.h"

#define FILATURE_STRING(x) #x
#define FILATURE_NAME(x) FILATURE_STRING(x)

namespace filature {
namespace FILATURE_ISA {
extern const Table table;
const Table table = {
    FILATURE_NAME(FILATURE_ISA),
#if defined(__AVX512F__)
    16,
#elif defined(__AVX2__)
    8,
#else
    4,
#endif
#define FILATURE_ENTRY(result, name, arguments) name,
    FILATURE_KERNELS(FILATURE_ENTRY)
};
}  // namespace FILATURE_ISA
}  // namespace filature
