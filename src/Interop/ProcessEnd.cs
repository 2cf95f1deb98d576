using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>The end of this process.</summary>
public static class ProcessEnd
{
    /// <summary>Ends it without the runtime's shutdown (_exit(2)): nothing is flushed, disposed or finalized.</summary>
    public static void Now(int exitCode) => Libc._exit(exitCode);
}
