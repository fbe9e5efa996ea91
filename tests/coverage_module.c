/* Linked into each module of the coverage build; see coverage_exit.c. */
void __gcov_dump(void);
__attribute__((visibility("default"))) void coverage_dump(void);

void coverage_dump(void)
{
    __gcov_dump();
}
