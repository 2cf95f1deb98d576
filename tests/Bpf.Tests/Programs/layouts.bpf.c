// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/* Structures of bpf/types.h that no map has: clang writes down the layout of what a variable has.
 */

#include <linux/types.h>

#include "../bpf/types.h"

struct refusal refusal;
