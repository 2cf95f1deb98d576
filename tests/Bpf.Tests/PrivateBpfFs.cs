using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Accelerated.Bpf.Tests;

/// <summary>
/// A BPF file system that only one thread and its children see: it goes with the thread's mount namespace, pins and all, even if the
/// process is killed.
/// </summary>
internal static partial class PrivateBpfFs
{
    private const int CLONE_NEWNS = 0x20000;
    private const nuint MS_REC = 0x4000;
    private const nuint MS_PRIVATE = 1 << 18;

    /// <summary>Runs work with the path of a BPF file system. It must not await.</summary>
    public static void Invoke(Action<string> work)
    {
        var folder = Directory.CreateTempSubdirectory("bpx-").FullName;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Check(unshare(CLONE_NEWNS));
                Check(mount(null, "/", null, MS_REC | MS_PRIVATE, 0));
                Check(mount("bpf", folder, "bpf", 0, 0));
                work(folder);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        Directory.Delete(folder);
        failure?.Throw();
    }

    private static void Check(int result)
    {
        if (result != 0)
            throw new InvalidOperationException(Marshal.GetLastPInvokeErrorMessage());
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string? source, string target, string? type, nuint flags, nint data);
}
