// What GCC's runtime library asks of a newer glibc than the oldest one that a prebuilt binary serves. Linked into the addon, hidden there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>

#if __GLIBC_PREREQ(2, 32)
// A hint that atomics may be left out. Node has threads, so it is never true.
char __libc_single_threaded = 0;
#endif

#if __GLIBC_PREREQ(2, 35)
// The unwinder's question for the object around an address, answered as it was before glibc had a faster way.
struct Search {
  ElfW(Addr) address;
  struct dl_find_object* result;
};

static int Look(struct dl_phdr_info* object, size_t size, void* data) {
  struct Search* search = data;
  struct dl_find_object* result = search->result;
  int found = 0;
  void* frames = 0;
  (void)size;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr)* segment = &object->dlpi_phdr[i];
    const ElfW(Addr) start = object->dlpi_addr + segment->p_vaddr;
    if (segment->p_type == PT_GNU_EH_FRAME) frames = (void*)start;
    if (segment->p_type != PT_LOAD || search->address - start >= segment->p_memsz) continue;
    found = 1;
    result->dlfo_map_start = (void*)start;
    result->dlfo_map_end = (void*)(start + segment->p_memsz);
  }
  result->dlfo_flags = 0;
  result->dlfo_link_map = 0;
  result->dlfo_eh_frame = frames;
  return found && frames != 0;
}

int _dl_find_object(void* address, struct dl_find_object* result) {
  struct Search search = {(ElfW(Addr))address, result};
  return dl_iterate_phdr(Look, &search) ? 0 : -1;
}
#endif
