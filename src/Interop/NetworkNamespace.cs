using System.Runtime.ExceptionServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>Work inside another network namespace.</summary>
/// <remarks>
/// A thread, not a process, is in a network namespace (setns(2)). The work gets a thread of its own that ends with it, so no
/// pool thread is left in a foreign namespace. Sockets keep the namespace they were opened in, so one opened here can be used anywhere
/// afterwards. Two limits: an <c>await</c> in the work continues on a thread that has not moved, and <c>/proc/net</c> shows the
/// process's namespace (use <c>/proc/thread-self/net</c>; <c>/proc/sys/net</c> does follow the thread).
/// </remarks>
public static class NetworkNamespace
{
    /// <summary>Runs work in the namespace at <paramref name="path"/> and waits for it (nsenter --net=PATH).</summary>
    /// <param name="path">A namespace file: <c>/run/netns/NAME</c> or <c>/proc/PID/ns/net</c>.</param>
    /// <param name="work">What to run; it must not await.</param>
    /// <returns>What the work returned.</returns>
    /// <exception cref="NativeException">The namespace does not exist or may not be entered (CAP_SYS_ADMIN). What the work throws comes
    /// through as it was thrown, with its stack.</exception>
    public static T Invoke<T>(string path, Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(work);

        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter(path);
                result = work();
            }
            catch (Exception e) // Nothing is lost: it is thrown again on the caller's thread.
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        {
            IsBackground = true,
            Name = "netns",
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <summary>As <see cref="Invoke{T}"/>, for work without a result.</summary>
    public static void Invoke(string path, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        Invoke(path, () =>
        {
            work();
            return true;
        });
    }

    private static void Enter(string path)
    {
        using var fd = new FileDescriptor(Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC));
        if (fd.IsInvalid)
            throw NativeException.FromLastError($"open network namespace {path}");
        if (Libc.setns(fd, Libc.CLONE_NEWNET) != 0)
            throw NativeException.FromLastError($"enter network namespace {path}");
    }
}
