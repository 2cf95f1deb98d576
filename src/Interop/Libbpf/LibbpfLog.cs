using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>Where libbpf's own messages go: to nobody, unless someone asks. (By itself it writes to stderr.)</summary>
/// <remarks>libbpf has one print function per process, hence static. Warnings also end up in the exceptions of the calls that caused them.</remarks>
public static unsafe class LibbpfLog
{
    private const int LongestMessage = 8192;

    private static readonly Lock Gate = new();
    private static volatile Sink? _sink;
    private static bool _installed;

    // libbpf prints on the thread that called it.
    [ThreadStatic]
    private static List<string>? _captured;

    /// <summary>Sends messages to <paramref name="sink"/> from now on, instead of to the one before; null ends it.</summary>
    /// <param name="sink">Called with each message, without its line end, on the thread that called libbpf. What it throws is ignored:
    /// native frames cannot be unwound.</param>
    /// <param name="quietest">The last level wanted.</param>
    /// <remarks>Can be called before the library is loaded, or where it is missing.</remarks>
    public static void Forward(Action<LibbpfLogLevel, string>? sink, LibbpfLogLevel quietest = LibbpfLogLevel.Information) =>
        _sink = sink is null ? null : new(sink, quietest);

    /// <summary>Makes this class libbpf's print function, once.</summary>
    internal static void Install()
    {
        lock (Gate)
        {
            if (_installed)
                return;
            _ = LibbpfApi.libbpf_set_print(&Print);
            _installed = true;
        }
    }

    /// <summary>Runs a libbpf call and gives its result with the warnings it printed, null if none.</summary>
    internal static (T Result, string? Warnings) Capture<T>(Func<T> call)
    {
        var outer = _captured;
        var messages = new List<string>();
        _captured = messages;
        try
        {
            var result = call();
            return (result, messages.Count == 0 ? null : string.Join("; ", messages));
        }
        finally
        {
            _captured = outer;
        }
    }

    // A va_list argument is a pointer on x86-64 (an array decays) and on arm64 (a structure over 16 bytes goes by reference).
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Print(int level, byte* format, nint arguments)
    {
        try
        {
            var captured = level == LibbpfApi.LIBBPF_WARN ? _captured : null;
            var sink = _sink is { } one && level <= (int)one.Quietest ? one : null;
            if (captured is null && sink is null)
                return 0;

            var buffer = stackalloc byte[LongestMessage];
            if (Libc.vsnprintf(buffer, LongestMessage, format, arguments) < 0)
                return 0;
            var message = (Marshal.PtrToStringUTF8((nint)buffer) ?? "").TrimEnd();
            captured?.Add(message.StartsWith("libbpf: ", StringComparison.Ordinal) ? message["libbpf: ".Length..] : message);
            sink?.Write((LibbpfLogLevel)level, message);
        }
        catch (Exception) // Ignoring: see Forward.
        {
        }

        return 0;
    }

    private sealed record Sink(Action<LibbpfLogLevel, string> Write, LibbpfLogLevel Quietest);
}
