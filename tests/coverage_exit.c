/* Linked into each program of the coverage build: the daemon and its helpers leave by _exit(), which forgets to write down what ran. */
void __gcov_dump(void);
_Noreturn void __real__exit(int);
_Noreturn void __wrap__exit(int);

_Noreturn void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
